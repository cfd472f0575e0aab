//! Which senone each frame of a known text belongs to.

use std::collections::BTreeMap;

use crate::model::{Feature, Model};

const SILENCE: &str = "SIL";
/// Logarithms of staying in a state and of leaving it, about those of the model.
const STAY: f32 = -0.3;
const LEAVE: f32 = -1.2;

/// The first pronunciation of each word.
pub(crate) struct Pronunciations(BTreeMap<String, Vec<String>>);

impl Pronunciations {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let phones = |phones: &str| phones.split_whitespace().map(str::to_owned).collect();
        Pronunciations(lines.map(|(word, said)| (word.to_owned(), phones(said))).collect())
    }
}

struct Phone {
    name: String,
    place: char,
}

/// A senone for each frame: once with phones without context, which finds the pauses, then with context.
pub(crate) fn align(model: &Model, said: &Pronunciations, features: &[Feature], text: &str) -> Vec<usize> {
    let mut phones = vec![Phone { name: SILENCE.to_owned(), place: 's' }];
    for word in text.split(' ') {
        let names = &said.0.get(word).unwrap_or_else(|| panic!("{word} has no pronunciation"));
        for (n, name) in names.iter().enumerate() {
            let place = match (n, n + 1 == names.len()) {
                (0, true) => 's',
                (0, false) => 'b',
                (_, true) => 'e',
                (_, false) => 'i',
            };
            phones.push(Phone { name: name.clone(), place });
        }
        phones.push(Phone { name: SILENCE.to_owned(), place: 's' });
    }
    let plain: Vec<[usize; 3]> = phones.iter().map(|phone| model.alone(&phone.name)).collect();
    let path = best_path(model, features, &phones, &plain);
    let kept: Vec<usize> = (0..phones.len())
        .filter(|n| phones[*n].name != SILENCE || path.iter().any(|state| state / 3 == *n))
        .collect();
    let mut states = plain;
    for (n, phone) in phones.iter().enumerate().filter(|(_, phone)| phone.name != SILENCE) {
        let place = kept.iter().position(|kept| *kept == n).unwrap();
        let neighbour = |at: Option<usize>| {
            at.and_then(|at| kept.get(at)).map_or(SILENCE, |kept| phones[*kept].name.as_str())
        };
        let (left, right) = (neighbour(place.checked_sub(1)), neighbour(Some(place + 1)));
        states[n] = model.between(&phone.name, left, right, phone.place);
    }
    let path = best_path(model, features, &phones, &states);
    path.iter().map(|state| states[state / 3][state % 3]).collect()
}

/// Viterbi from left to right; silence may be skipped. A state for each frame.
fn best_path(model: &Model, features: &[Feature], phones: &[Phone], states: &[[usize; 3]]) -> Vec<usize> {
    let flat: Vec<usize> = states.iter().flatten().copied().collect();
    let before = |state: usize| -> Vec<usize> {
        let phone = state / 3;
        let mut before: Vec<usize> = state.checked_sub(1).into_iter().collect();
        if state.is_multiple_of(3) && phone > 1 && phones[phone - 1].name == SILENCE {
            before.push(3 * (phone - 1) - 1);
        }
        before
    };
    let before: Vec<Vec<usize>> = (0..flat.len()).map(before).collect();
    let mut scores = vec![f32::MIN; flat.len()];
    let mut back: Vec<Vec<u16>> = Vec::with_capacity(features.len());
    for (time, feature) in features.iter().enumerate() {
        let mut heard: BTreeMap<usize, f32> = BTreeMap::new();
        let mut codebooks: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        for senone in &flat {
            heard.entry(*senone).or_insert_with(|| {
                let codebook = model.codebook(*senone);
                let densities =
                    codebooks.entry(codebook).or_insert_with(|| model.densities(feature, codebook));
                model.shares(densities, *senone).1
            });
        }
        if time == 0 {
            // Silence first, or the first sound at once.
            scores[0] = heard[&flat[0]];
            scores[3] = heard[&flat[3]];
            back.push(vec![0; flat.len()]);
            continue;
        }
        let mut next = vec![f32::MIN; flat.len()];
        let mut from = vec![0u16; flat.len()];
        for state in 0..flat.len() {
            let (mut best, mut score) = (state, scores[state] + STAY);
            for other in &before[state] {
                if scores[*other] + LEAVE > score {
                    (best, score) = (*other, scores[*other] + LEAVE);
                }
            }
            next[state] = (score + heard[&flat[state]]).max(f32::MIN);
            from[state] = best as u16;
        }
        scores = next;
        back.push(from);
    }
    let last = flat.len() - 1;
    let mut state = if scores[last] > scores[last - 3] { last } else { last - 3 };
    let mut path = vec![0; features.len()];
    for time in (0..features.len()).rev() {
        path[time] = state;
        state = usize::from(back[time][state]);
    }
    path
}
