//! What the benches of this folder share: how often to repeat.
//!
//! A bench is a program that does one thing `--iterations N` times and checks what came out. Its cost is the difference
//! of two runs under an instruction counter (`scripts/instructions.sh`), so set-up and process start drop out. Without
//! the option it runs once: that is the smoke run of `make test`.

/// How often the bench repeats its thing: the number after `--iterations`, else 1.
///
/// Other arguments are those that cargo gives to every bench and mean nothing here.
///
/// # Panics
/// Where `--iterations` is not followed by a number: a typing error must not pass for a measurement.
pub fn iterations() -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--iterations");
    match (arguments.next(), arguments.next().as_deref().map(str::parse)) {
        (None, _) => 1,
        (Some(_), Some(Ok(number))) => number,
        (Some(_), _) => panic!("--iterations wants a number"),
    }
}
