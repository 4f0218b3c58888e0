//! Gives the module little memory, so that a bundle which fits an ordinary filter does not fit this one.

/// In bytes, a multiple of a page of 64 KiB.
const MEMORY_MAX: usize = 8 << 20;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-cdylib=--max-memory={MEMORY_MAX}");
}
