//! How much energy each 10 ms has in each band that a telephone carries.

/// Bands, equally wide on the mel scale.
pub(super) const BANDS: usize = 24;
/// Energies of one frame, linear.
pub(super) type Energies = [f32; BANDS];

const RATE: f64 = 16_000.0;
/// Lower and upper end of the bands. Above them our own resampler has left nothing.
const ENDS: (f64, f64) = (100.0, 3_850.0);
const STEP: usize = 160;
/// 25.625 ms, as the acoustic model was trained.
const WINDOW: usize = 410;
const FFT: usize = 512;
const PREEMPHASIS: f32 = 0.97;

/// Turns samples at 16 kHz into energies, frame by frame.
pub(super) struct Spectrum<const N: usize = BANDS> {
    window: Vec<f32>,
    bank: Bank<N>,
    twiddles: Vec<(f32, f32)>,
    last: Option<f32>,
    /// Emphasized samples of frames that are not complete.
    waiting: Vec<f32>,
    fft: Vec<(f32, f32)>,
}

impl Spectrum {
    /// The bands of a telephone.
    pub(super) fn new() -> Spectrum {
        Spectrum::with_bank(Bank::new(ENDS.0, ENDS.1))
    }
}

impl<const N: usize> Spectrum<N> {
    pub(super) fn with_bank(bank: Bank<N>) -> Self {
        let turn = |part: f64| {
            let angle = 2.0 * std::f64::consts::PI * part;
            (angle.cos(), angle.sin())
        };
        let window = (0..WINDOW).map(|n| (0.54 - 0.46 * turn(n as f64 / (WINDOW - 1) as f64).0) as f32);
        let twiddles = (0..FFT / 2).map(|n| turn(n as f64 / FFT as f64));
        Spectrum {
            window: window.collect(),
            bank,
            twiddles: twiddles.map(|(cos, sin)| (cos as f32, -sin as f32)).collect(),
            last: None,
            waiting: Vec::new(),
            fft: vec![(0.0, 0.0); FFT],
        }
    }

    /// Appends the frames that are complete now.
    pub(super) fn push(&mut self, samples: &[i16], frames: &mut Vec<[f32; N]>) {
        for sample in samples {
            let sample = f32::from(*sample);
            self.waiting.push(self.last.map_or(sample, |last| sample - PREEMPHASIS * last));
            self.last = Some(sample);
        }
        let mut from = 0;
        while self.waiting.len() >= from + WINDOW {
            frames.push(self.frame(from));
            from += STEP;
        }
        self.waiting.drain(..from.min(self.waiting.len()));
    }

    fn frame(&mut self, from: usize) -> [f32; N] {
        self.fft.fill((0.0, 0.0));
        for (n, (sample, weight)) in self.waiting[from..].iter().zip(&self.window).enumerate() {
            // In bit-reversed order, as the butterflies want it.
            let place = n.reverse_bits() >> (usize::BITS - FFT.trailing_zeros());
            self.fft[place].0 = sample * weight;
        }
        self.transform();
        let mut energies = [0.0; N];
        for (energy, (first, weights)) in energies.iter_mut().zip(&self.bank.0) {
            let bins = self.fft[*first..].iter().zip(weights);
            *energy = bins.map(|((re, im), weight)| (re * re + im * im) * weight).sum();
        }
        energies
    }

    /// Radix 2, in place, decimation in time.
    fn transform(&mut self) {
        let mut half = 1;
        while half < FFT {
            let stride = FFT / (2 * half);
            for block in self.fft.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for (n, (a, b)) in low.iter_mut().zip(high).enumerate() {
                    let (cos, sin) = self.twiddles[n * stride];
                    let turned = (b.0 * cos - b.1 * sin, b.0 * sin + b.1 * cos);
                    *b = (a.0 - turned.0, a.1 - turned.1);
                    *a = (a.0 + turned.0, a.1 + turned.1);
                }
            }
            half *= 2;
        }
    }
}

/// First bin and weights of each of N bands.
pub(super) struct Bank<const N: usize>(Vec<(usize, Vec<f32>)>);

impl<const N: usize> Bank<N> {
    /// Triangles of equal area whose corners lie on bins, as the front end of the model makes them.
    pub(super) fn new(lowest: f64, highest: f64) -> Self {
        let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
        let (low, high) = (mel(lowest), mel(highest));
        let bin = RATE / FFT as f64;
        let corner = |n: usize| {
            let at = low + (high - low) * n as f64 / (N + 1) as f64;
            let hertz = 700.0 * (10f64.powf(at / 2595.0) - 1.0);
            (hertz / bin).round_ties_even() * bin
        };
        let band = |n: usize| {
            let (left, peak, right) = (corner(n), corner(n + 1), corner(n + 2));
            let height = 2.0 / (right - left);
            let first = (left / bin) as usize;
            let weights = (first..=(right / bin) as usize).map(|k| {
                let at = k as f64 * bin;
                let slope = ((at - left) / (peak - left)).min((right - at) / (right - peak));
                (slope.max(0.0) * height) as f32
            });
            (first, weights.collect())
        };
        Bank((0..N).map(band).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_lies_in_its_band_however_the_samples_are_cut() {
        let tone: Vec<i16> = (0..4_000)
            .map(|n| ((n as f64 / 16.0 * 2.0 * std::f64::consts::PI).sin() * 10_000.0) as i16)
            .collect();
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());

        Spectrum::new().push(&tone, &mut whole);
        let mut spectrum = Spectrum::new();
        for piece in tone.chunks(37) {
            spectrum.push(piece, &mut pieces);
        }

        assert_eq!(whole.len(), 1 + (4_000 - WINDOW) / STEP);
        assert_eq!(whole, pieces);
        let loudest = (0..BANDS).max_by(|a, b| whole[5][*a].total_cmp(&whole[5][*b])).unwrap();
        let (first, weights) = &Bank::<BANDS>::new(ENDS.0, ENDS.1).0[loudest];
        let (from, to) = (*first as f64 * 31.25, (first + weights.len()) as f64 * 31.25);
        assert!(from < 1_000.0 && 1_000.0 < to, "{from}..{to}");
        assert!(whole[5][0] < whole[5][loudest] * 1e-3, "{:?}", whole[5]);
    }

    #[test]
    fn energies_are_those_of_the_sum_over_the_window() {
        let mut frames = Vec::new();
        let click: Vec<i16> = (0..WINDOW).map(|n| if n == 200 { 1_000 } else { 0 }).collect();

        Spectrum::new().push(&click, &mut frames);

        // A click has the same power in every bin, but for the emphasis of high tones.
        assert_eq!(frames.len(), 1);
        assert!(frames[0].windows(2).all(|pair| pair[0] < pair[1] * 1.05), "{:?}", frames[0]);
    }
}
