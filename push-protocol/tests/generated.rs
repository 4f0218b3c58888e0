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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/proto/generated.rs");
    let fresh = generate(root);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&committed, &fresh).unwrap();
    }
    assert!(
        fs::read_to_string(&committed).unwrap() == fresh,
        "src/proto/generated.rs is not what proto/push.proto gives; \
         run `UPDATE_EXPECT=1 cargo test -p riskgate-push-protocol --test generated`"
    );
}

/// Compiles the .proto with protox, so that nobody has to install `protoc`.
fn generate(root: &Path) -> String {
    let folder = root.join("proto");
    let descriptors = protox::compile([folder.join("push.proto")], [folder]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .bytes(".riskgate.push.v2.Offer.head")
        .bytes(".riskgate.push.v2.SectionChunk.data")
        .client_mod_attribute(".", "#[cfg(feature = \"tonic\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"tonic\")]")
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();
    fs::read_to_string(out.path().join("riskgate.push.v2.rs")).unwrap()
}
