//! The `slmc` command.

fn main() {}
