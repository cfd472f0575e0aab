//! Instruction-count benches; see README.md for the table of numbers.
