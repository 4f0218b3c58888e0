//! Benchmarks of riskgate, answers asserted first.
