//! What the line and the voice do to all frames alike, and how it is taken out.

use super::spectrum::{BANDS, Energies};

/// Quieter than the loudest eighth by this factor is no speech.
const SPEECH: f32 = 6.3e-3;
/// So far below the loudest eighth all is silence: digital silence and a quiet line look the same.
const FLOOR: f32 = 3e-6;
/// Frames of speech that a new utterance weighs as much as what was known before. A single word is not the voice: its
/// own sounds would be taken out with it.
pub(super) const PRIOR_FRAMES: f32 = 100.0;
/// A call's knowledge of its line never weighs more: the phone may be handed over.
const KNOWN_FRAMES: f32 = 400.0;
/// Brings logarithms to about one.
const SCALE: f32 = 1.0 / 3.0;

/// Mean logarithms of the bands while somebody speaks, less the level.
pub(super) type Bands = [f32; BANDS];

/// One utterance, level taken out.
pub(super) struct Utterance {
    pub(super) logs: Vec<Bands>,
    pub(super) shape: Bands,
    /// Frames of speech.
    pub(super) speech: f32,
}

impl Utterance {
    pub(super) fn new(frames: &[Energies]) -> Utterance {
        let totals: Vec<f32> = frames.iter().map(|frame| frame.iter().sum::<f32>() / BANDS as f32).collect();
        let mut sorted = totals.clone();
        sorted.sort_by(f32::total_cmp);
        let loudest = &sorted[sorted.len() - (sorted.len() / 8).max(5).min(sorted.len())..];
        let top = (loudest.iter().sum::<f32>() / loudest.len().max(1) as f32).max(1e-3);
        let mut logs: Vec<Bands> =
            frames.iter().map(|frame| frame.map(|energy| (energy + top * FLOOR).ln())).collect();
        let (mut shape, mut speech) = ([0.0; BANDS], 0.0);
        for (frame, _) in logs.iter().zip(&totals).filter(|(_, total)| **total > top * SPEECH) {
            shape.iter_mut().zip(frame).for_each(|(sum, log)| *sum += log);
            speech += 1.0;
        }
        let shape = shape.map(|sum| sum / f32::max(speech, 1.0));
        let level = shape.iter().sum::<f32>() / BANDS as f32;
        logs.iter_mut().for_each(|frame| *frame = frame.map(|log| log - level));
        Utterance { logs, shape: shape.map(|log| log - level), speech }
    }

    /// The frames less what the line and the voice add to each.
    pub(super) fn normalized(&self, line: &Line) -> Vec<Bands> {
        let total = self.speech + line.frames;
        let mean: Vec<f32> = self
            .shape
            .iter()
            .zip(&line.shape)
            .map(|(own, known)| (self.speech * own + line.frames * known) / total)
            .collect();
        let frame = |frame: &Bands| std::array::from_fn(|band| (frame[band] - mean[band]) * SCALE);
        self.logs.iter().map(frame).collect()
    }
}

/// What is known about a line and a voice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(super) shape: Bands,
    pub(super) frames: f32,
}

impl Line {
    /// Before anything was heard: the mean of the voices that the table was made with.
    pub(super) fn usual(shape: Bands) -> Line {
        Line { shape, frames: PRIOR_FRAMES }
    }

    pub(super) fn learn(&mut self, utterance: &Utterance) {
        let total = self.frames + utterance.speech;
        for (known, own) in self.shape.iter_mut().zip(&utterance.shape) {
            *known = (self.frames * *known + utterance.speech * own) / total;
        }
        self.frames = total.min(KNOWN_FRAMES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_and_colour_of_a_line_are_taken_out_as_they_become_known() {
        let frames = [[1.0; BANDS], [4.0; BANDS], [9.0; BANDS], [4.0; BANDS], [2.0; BANDS]].repeat(40);
        let coloured: Vec<Energies> = frames
            .iter()
            .map(|frame| std::array::from_fn(|n| frame[n] * 50.0 * 1.2f32.powi(n as i32)))
            .collect();
        let mut line = Line::usual([0.0; BANDS]);
        let plain = Utterance::new(&frames).normalized(&line);
        let far = |line: &Line| {
            let heard = Utterance::new(&coloured).normalized(line);
            heard.iter().flatten().zip(plain.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };

        let first = far(&line);
        (0..5).for_each(|_| line.learn(&Utterance::new(&coloured)));
        let later = far(&line);

        assert!(first < 0.3 && later < first / 4.0, "{first} {later}");
    }

    #[test]
    fn silence_and_nothing_give_numbers() {
        for frames in [vec![], vec![[0.0; BANDS]; 3]] {
            let utterance = Utterance::new(&frames);
            let heard = utterance.normalized(&Line::usual([0.0; BANDS]));
            assert_eq!(heard.len(), frames.len());
            assert!(heard.iter().flatten().all(|value| value.is_finite()));
        }
    }
}
