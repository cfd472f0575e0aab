//! A bench with everything a page can show.

use offhook_report::{
    Axis, BenchPage, Better, Cell, Column, Distribution, Figure, Histogram, LinePlot, Mark, Plot, Role,
    Series, Table, Verdict,
};

/// Latencies around 9 ms with a tail, a reflector, a baseline, a knee.
pub fn bench_page() -> BenchPage {
    let mut page = BenchPage::new(
        "offhook bench latency",
        Verdict::good("Measured: reflector p99 0.16 ms, own packets 0.04 ms late."),
    );
    page.subtitle = "sip:echo@127.0.0.1:5060 · 20 calls at once · 60 s".to_owned();
    page.made = Some("2026-11-21 12:50 UTC".to_owned());
    page.baseline = Some("latency-2026-11-20.json, build bb5fb2b, same machine".to_owned());
    page.figures = vec![
        Figure::new("added round trip, p50", 8.31, "ms", Better::Lower).goal(12.0).baseline(8.27),
        Figure::new("added round trip, p99", 9.24, "ms", Better::Lower).goal(15.0).baseline(11.9),
        Figure::new("worst call, p99", 16.61, "ms", Better::Lower).goal(15.0).baseline(9.9),
        Figure::new("frames damaged or lost", 0.02, "%", Better::Lower).goal(0.1).baseline(0.0),
        Figure::new("calls at the knee", 875.0, "calls", Better::Higher).goal(800.0).baseline(850.0),
        Figure::new("CPU per call-second", 1.43, "ms", Better::Lower).goal(1.5),
        Figure::new("MOS (G.107 estimate)", 4.37, "", Better::Higher),
        Figure::new("memory per call", f64::NAN, "KiB", Better::Lower),
        Figure::new("packets", 123_456.0, "packets", Better::Neither),
    ];
    let seed = &mut 7;
    let server: Vec<f64> = (0..30_000).map(|_| 8.0 + 0.5 * bell(seed) + tail(seed)).collect();
    let reflector: Vec<f64> = (0..30_000).map(|_| 0.08 + 0.02 * bell(seed).abs()).collect();
    let before: Vec<f64> = (0..30_000).map(|_| 8.1 + 0.6 * bell(seed) + 1.4 * tail(seed)).collect();
    let over_time: Vec<(f64, f64)> =
        server.iter().enumerate().map(|(at, late)| (at as f64 * 0.002, *late)).collect();
    page.plots.push(Plot::Histogram(Histogram {
        title: "Added round trip".to_owned(),
        note: "Each frame of each call, from our socket back to our socket.".to_owned(),
        unit: "ms".to_owned(),
        distributions: vec![
            Distribution::of("server", Role::Measured, server),
            Distribution::of("reflector", Role::Reflector, reflector),
            Distribution::of("baseline", Role::Baseline, before),
        ],
        marks: vec![Mark { text: "goal p99 15 ms".to_owned(), at: 15.0, on_x: false }],
    }));
    page.plots.push(Plot::Lines(LinePlot {
        title: "Latency over time".to_owned(),
        note: String::new(),
        x: Axis::linear("time", "s"),
        y: Axis::linear("added round trip", "ms"),
        series: vec![Series {
            name: "server".to_owned(),
            points: over_time,
            dots: true,
            ..Series::default()
        }],
        marks: vec![Mark { text: "impairment ends".to_owned(), at: 30.0, on_x: true }],
    }));
    let knee = |scale: f64| {
        [100, 200, 400, 600, 800, 875, 900, 1000]
            .map(|calls| (f64::from(calls), late(f64::from(calls) / scale)))
            .to_vec()
    };
    page.plots.push(Plot::Lines(LinePlot {
        title: "Knee".to_owned(),
        note: "p99 lateness of all packets of all calls.".to_owned(),
        x: Axis::linear("calls at once", "calls"),
        y: Axis::logarithmic("lateness, p99", "ms"),
        series: vec![
            Series { name: "this run".to_owned(), points: knee(1.0), ..Series::default() },
            Series {
                name: "baseline".to_owned(),
                role: Role::Baseline,
                points: knee(0.97),
                ..Series::default()
            },
        ],
        marks: vec![
            Mark { text: "limit 5 ms".to_owned(), at: 5.0, on_x: false },
            Mark { text: "knee: 875 calls".to_owned(), at: 875.0, on_x: true },
        ],
    }));
    page.tables.push(Table {
        title: "Each call".to_owned(),
        columns: vec![
            Column::new("Call"),
            Column::of("p50", "ms"),
            Column::of("p99", "ms"),
            Column::of("lost", "%"),
            Column::new("Note"),
        ],
        rows: (1..=8)
            .map(|call| {
                let lost = if call == 3 { Cell::Missing } else { Cell::Number(0.02 * f64::from(call % 2)) };
                vec![
                    format!("call {call}").into(),
                    (8.2 + 0.02 * f64::from(call)).into(),
                    9.3.into(),
                    lost,
                    "G.711 µ".into(),
                ]
            })
            .collect(),
        ..Table::default()
    });
    page.machine = [
        ("processor", "AMD EPYC, 2 virtual cores"),
        ("kernel", "Linux 6.18"),
        ("memory", "24 GiB"),
        ("load average", "0.8"),
        ("real-time priority", "yes"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    page.method = vec!["Each frame carries a mark that survives G.711; its delay is found by correlation, with kernel time stamps.".to_owned()];
    page.notes = vec!["1 of 20 calls was answered after 2.1 s.".to_owned()];
    page
}

fn late(calls: f64) -> f64 {
    0.4 + (calls / 860.0).powi(14) * 4.0
}

/// Repeats on every machine.
fn chance(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 11) as f64 / (1u64 << 53) as f64
}

fn bell(seed: &mut u64) -> f64 {
    (0..6).map(|_| chance(seed)).sum::<f64>() - 3.0
}

fn tail(seed: &mut u64) -> f64 {
    if chance(seed) < 0.01 { -2.0 * chance(seed).max(1e-4).ln() } else { 0.0 }
}
