//! How a listener would rate a narrowband G.711 line: the E-model of Rec. ITU-T G.107.
//!
//! All that is not named here has the default value of G.107 Table 2 (handsets, no room noise to speak of, talker echo
//! loss 65 dB, advantage factor 0); with these alone R is 93.2. G.711 has Ie 0; with concealment as in G.711 Appendix I
//! its Bpl is 25.1, without 4.3 (G.113 Appendix I, packets of 10 ms).
//!
//! It is a planning model, not a listening test: it knows delay and lost packets, and nothing of how well this server
//! conceals, mixes or speaks. Where losses come in longer bursts than it was validated for, the estimate says so. The
//! wideband model (G.107.1) is for other codecs and is not used.

use serde::Serialize;

use crate::statistics::rounded;

/// What the model knows of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineQuality {
    /// From mouth to ear, in milliseconds.
    pub delay_ms: f64,
    /// Packets that are lost or too late, in percent.
    pub loss_percent: f64,
    /// Mean length of a run of lost packets over that of independent losses of the same share (G.107 §7.5); 1 where
    /// losses are independent.
    pub burst_ratio: f64,
    /// Whether the listener conceals.
    pub concealed: bool,
}

/// What the model makes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MosEstimate {
    /// Mean opinion score, conversational quality, 1 to 4.5.
    pub mos: f64,
    /// The transmission rating.
    pub r: f64,
    /// The delay that was assumed.
    pub delay_ms: f64,
    /// The loss that was assumed, packets that are too late included.
    pub loss_percent: f64,
    /// The burst ratio that was assumed.
    pub burst_ratio: f64,
    /// Whether it is outside what G.107 was validated for: burst ratio above 2 with 2 % of loss or more.
    pub beyond_model: bool,
}

impl MosEstimate {
    /// What the model makes of `line`.
    pub fn of(line: LineQuality) -> Self {
        let r = rating(line);
        MosEstimate {
            mos: rounded(mos_of(r)),
            r: rounded(r),
            delay_ms: rounded(line.delay_ms),
            loss_percent: rounded(line.loss_percent),
            burst_ratio: rounded(line.burst_ratio),
            beyond_model: line.burst_ratio > 2.0 && line.loss_percent >= 2.0,
        }
    }
}

/// G.107 Annex B.
pub fn mos_of(r: f64) -> f64 {
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6,
    }
}

/// Defaults of G.107 Table 2, in its symbols: loudness ratings, sidetone, room and circuit noise.
const SLR: f64 = 8.0;
const RLR: f64 = 2.0;
const OLR: f64 = SLR + RLR;
const STMR: f64 = 15.0;
const LSTR: f64 = STMR + 3.0;
const DS: f64 = 3.0;
const TELR: f64 = 65.0;
const WEPL: f64 = 110.0;
const PS: f64 = 35.0;
const PR: f64 = 35.0;
const NC: f64 = -70.0;
const NFOR: f64 = -64.0;
const QDU: f64 = 1.0;

/// R of G.107 §7.1, with Ta = T and Tr = 2T: one way is as long as the other.
fn rating(line: LineQuality) -> f64 {
    let noise = noise();
    let signal_to_noise = 15.0 - 1.5 * (SLR + noise);
    signal_to_noise
        - simultaneous(noise, signal_to_noise, line.delay_ms)
        - delay(noise, signal_to_noise, line.delay_ms)
        - equipment(line)
}

/// No, §7.2: circuit noise, room noise at both ends, noise floor, as powers.
fn noise() -> f64 {
    let sender = PS - SLR - DS - 100.0 + 0.004 * (PS - OLR - DS - 14.0).powi(2);
    let room = PR + 10.0 * (1.0 + decibels(10.0 - LSTR)).log10();
    let receiver = RLR - 121.0 + room + 0.008 * (room - 35.0).powi(2);
    10.0 * [NC, sender, receiver, NFOR + RLR].map(decibels).iter().sum::<f64>().log10()
}

/// Is, §7.3: too loud, sidetone, quantizing.
fn simultaneous(noise: f64, signal_to_noise: f64, delay_ms: f64) -> f64 {
    let loud = OLR + 0.2 * (64.0 + noise - RLR);
    let loud = 20.0 * ((1.0 + (loud / 8.0).powi(8)).powf(0.125) - loud / 8.0);
    let sidetone = -10.0 * (decibels(-STMR) + (-delay_ms / 4.0).exp() * decibels(-TELR)).log10();
    let sidetone = 12.0 * (1.0 + ((sidetone - 13.0) / 6.0).powi(8)).powf(0.125)
        - 28.0 * (1.0 + ((sidetone + 1.0) / 19.4).powi(35)).powf(1.0 / 35.0)
        - 13.0 * (1.0 + ((sidetone - 3.0) / 33.0).powi(13)).powf(1.0 / 13.0)
        + 29.0;
    let q = 37.0 - 15.0 * QDU.log10();
    let g = 1.07 + 0.258 * q + 0.0602 * q * q;
    let y = (signal_to_noise - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
    let z = 46.0 / 30.0 - g / 40.0;
    loud + sidetone + 15.0 * (1.0 + 10f64.powf(y) + 10f64.powf(z)).log10()
}

/// Id, §7.4: talker echo, listener echo, too long a way.
fn delay(noise: f64, signal_to_noise: f64, delay_ms: f64) -> f64 {
    let t = delay_ms;
    let talker = if t < 1.0 {
        0.0
    } else {
        let echo_loss =
            TELR - 40.0 * ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10() + 6.0 * (-0.3 * t * t).exp();
        let half = (-1.5 * (noise - RLR) - (80.0 + 2.5 * (echo_loss - 14.0))) / 2.0;
        (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-t).exp())
    };
    let half = (signal_to_noise - 10.5 * (WEPL + 7.0) * (2.0 * t + 1.0).powf(-0.25)) / 2.0;
    let listener = half + (half * half + 169.0).sqrt();
    let way = if t <= 100.0 {
        0.0
    } else {
        let x = (t / 100.0).log2();
        25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
    };
    talker + listener + way
}

/// Ie-eff, §7.5, with Ie 0.
fn equipment(line: LineQuality) -> f64 {
    let robustness = if line.concealed { 25.1 } else { 4.3 };
    let loss = line.loss_percent.clamp(0.0, 100.0);
    95.0 * loss / (loss / line.burst_ratio.max(1.0) + robustness)
}

fn decibels(db: f64) -> f64 {
    10f64.powf(db / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(delay_ms: f64, loss_percent: f64, burst_ratio: f64) -> MosEstimate {
        MosEstimate::of(LineQuality { delay_ms, loss_percent, burst_ratio, concealed: true })
    }

    #[test]
    fn a_perfect_line_has_the_rating_that_the_recommendation_gives_for_its_defaults() {
        let perfect = line(0.0, 0.0, 1.0);

        // G.107 §7.7: with all parameters at their defaults R = 93.2; Annex B makes 4.41 of it.
        assert!((perfect.r - 93.2).abs() < 0.01, "{}", perfect.r);
        assert!((perfect.mos - 4.41).abs() < 0.002, "{}", perfect.mos);
    }

    #[test]
    fn lost_packets_cost_what_the_formula_says() {
        // 95 · 5 / (5 + 25.1) = 15.781; in bursts twice as long 95 · 5 / (2.5 + 25.1) = 17.210.
        assert!((line(0.0, 0.0, 1.0).r - line(0.0, 5.0, 1.0).r - 15.781).abs() < 0.002);
        assert!((line(0.0, 0.0, 1.0).r - line(0.0, 5.0, 2.0).r - 17.210).abs() < 0.002);
        // Without concealment 1 % costs 95 · 1 / (1 + 4.3) = 17.925.
        let bare = LineQuality { delay_ms: 0.0, loss_percent: 1.0, burst_ratio: 1.0, concealed: false };
        assert!((line(0.0, 0.0, 1.0).r - MosEstimate::of(bare).r - 17.925).abs() < 0.002);
    }

    #[test]
    fn up_to_100_ms_delay_costs_little_and_above_it_much() {
        let ratings = [0.0, 50.0, 100.0, 200.0, 400.0].map(|delay| line(delay, 0.0, 1.0).r);

        // Computed with the formulas of G.107 by another program.
        let expected = [93.206, 91.756, 90.664, 85.805, 62.247];
        assert!(
            ratings.iter().zip(expected).all(|(r, expected)| (r - expected).abs() < 0.002),
            "{ratings:?}"
        );
    }

    #[test]
    fn the_scale_ends_at_1_and_4_5_and_passes_the_points_of_annex_b() {
        assert_eq!([-5.0, 0.0, 100.0, 120.0].map(mos_of), [1.0, 1.0, 4.5, 4.5]);
        // Table B.1: R 90 is 4.34, 80 is 4.03, 70 is 3.60, 60 is 3.10, 50 is 2.58.
        for (r, mos) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert!((mos_of(r) - mos).abs() < 0.007, "{r}: {}", mos_of(r));
        }
    }

    #[test]
    fn what_the_model_was_not_validated_for_is_marked() {
        assert!(!line(0.0, 5.0, 2.0).beyond_model);
        assert!(!line(0.0, 1.5, 4.0).beyond_model);
        assert!(line(0.0, 3.0, 2.5).beyond_model);
    }
}
