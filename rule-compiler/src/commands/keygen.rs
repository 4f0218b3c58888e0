//! `rulec keygen`: make a signing key.

use riskgate_compiler::keys::generate;

use crate::args::KeygenArgs;
use crate::failure::Failure;
use crate::output::tell;

pub(crate) fn run(args: &KeygenArgs) -> Result<(), Failure> {
    let public = generate(&args.out).map_err(Failure::unable)?;
    tell(&format!(
        "private key: {} (mode 0600, keep it to the signer)\npublic key:  {} (give it to filters and pushers)\n",
        args.out.display(),
        public.display()
    ));
    Ok(())
}
