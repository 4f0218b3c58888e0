//! The committed code is what the .proto gives today.
//!
//! `UPDATE_EXPECT=1 cargo test -p riskgate-push-protocol --test generated` writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop where it fails"
)]

use std::{fs, path::Path};

#[test]
fn generated_code_is_current() {
    check("push.proto", "riskgate.push.v2", "src/proto/generated.rs");
    check("v1.proto", "riskgate.push.v1", "src/v1/proto/generated.rs");
}

fn check(proto: &str, package: &str, committed: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join(committed);
    let fresh = generate(root, proto, package);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == fresh,
        "{committed} is not what proto/{proto} gives; \
         run `UPDATE_EXPECT=1 cargo test -p riskgate-push-protocol --test generated`"
    );
}

/// Compiles the .proto with protox, so that nobody has to install `protoc`.
fn generate(root: &Path, proto: &str, package: &str) -> String {
    let folder = root.join("proto");
    let descriptors = protox::compile([folder.join(proto)], [folder]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .bytes(".riskgate.push.v2.Offer.head")
        .bytes(".riskgate.push.v2.SectionChunk.data")
        .bytes(".riskgate.push.v1.BundleChunk.data")
        .client_mod_attribute(".", "#[cfg(feature = \"tonic\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"tonic\")]")
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();
    fs::read_to_string(out.path().join(format!("{package}.rs"))).unwrap()
}
