//! `rulec keygen`: make a signing key.

use riskgate_compiler::keys::generate;

use crate::args::KeygenArgs;
use crate::failure::Failure;

pub(crate) fn run(args: &KeygenArgs) -> Result<(), Failure> {
    let public = generate(&args.out).map_err(Failure::unable)?;
    eprintln!(
        "private key: {} (mode 0600, keep it to the signer)",
        args.out.display()
    );
    eprintln!(
        "public key:  {} (give it to filters and pushers)",
        public.display()
    );
    Ok(())
}
