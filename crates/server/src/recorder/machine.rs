//! Which build on which machine: what a bundle says of its origin.

/// The version of this program.
pub fn build() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The operating system, as `Linux 6.1.0`; empty where the kernel does not say.
pub fn os() -> String {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    format!("{} {}", read("ostype").trim(), read("osrelease").trim()).trim().to_owned()
}

/// The architecture and what the processor can do, as far as libraries choose their code by it: on machines of one
/// class a replayed call sends the same bytes.
pub fn cpu_class() -> String {
    let mut class = std::env::consts::ARCH.to_owned();
    for (name, is_there) in features() {
        if is_there {
            class.push('+');
            class.push_str(name);
        }
    }
    class
}

#[cfg(target_arch = "x86_64")]
fn features() -> [(&'static str, bool); 5] {
    [
        ("sse4.1", std::arch::is_x86_feature_detected!("sse4.1")),
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ]
}

#[cfg(target_arch = "aarch64")]
fn features() -> [(&'static str, bool); 1] {
    [("neon", std::arch::is_aarch64_feature_detected!("neon"))]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> [(&'static str, bool); 0] {
    []
}
