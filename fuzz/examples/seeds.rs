//! Writes the seeds of every target into `corpus/`.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seeds) in riskgate_fuzz::seeds() {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir)?;
        for (at, seed) in seeds.iter().enumerate() {
            fs::write(dir.join(format!("seed-{at}")), seed)?;
        }
        println!("{} seeds in {}", seeds.len(), dir.display());
    }
    Ok(())
}
