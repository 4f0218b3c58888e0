//! What a module imports, bound to what the host does.

use crate::fault::Fault;
use crate::guest::Guest;
use crate::imports::Library;
use crate::proxy::Proxy;
use crate::vm::{Error, unusable};
use crate::{Status, hostcall, wasi};
use wasmtime::{Caller, ExternType, Linker, Val};

/// Links one import to what the host has under its name.
pub(crate) fn link(
    linker: &mut Linker<Proxy>,
    module: &str,
    name: &str,
    ty: &ExternType,
) -> Result<(), Error> {
    let (Some(library), ExternType::Func(ty)) = (Library::of(module, name), ty) else {
        // A module is looked at before VMs are made of it.
        return Ok(());
    };
    let run = match library {
        Library::Proxy => hostcall::run,
        Library::Wasi => wasi::run,
    };
    let call_name = name.to_owned();
    let host_call = move |mut caller: Caller<'_, Proxy>, params: &[Val], results: &mut [Val]| {
        caller.data_mut().calls.push(call_name.clone());
        let args: Vec<u64> = params.iter().map(number).collect();
        let mut guest = Guest::new(&mut caller);
        let fault = match &mut guest {
            Ok(guest) => guest.fault(&call_name, &args),
            Err(_) => None,
        };
        if fault == Some(Fault::Trap) {
            return Err(wasmtime::Error::msg(format!(
                "a trap was injected into `{call_name}`"
            )));
        }
        let answer = guest.and_then(|mut guest| run(&mut guest, &call_name, &args, fault));
        match results.first_mut() {
            Some(result) => {
                *result = Val::I32(answer.err().unwrap_or(Status::OK).cast_signed());
            }
            None if call_name == "proc_exit" => {
                return Err(wasmtime::Error::msg("the VM exited"));
            }
            None => {}
        }
        Ok(())
    };
    linker
        .func_new(module, name, ty.clone(), host_call)
        .map_err(unusable)?;
    Ok(())
}

fn number(value: &Val) -> u64 {
    match value {
        Val::I32(value) => value.cast_unsigned().into(),
        Val::I64(value) => value.cast_unsigned(),
        _ => 0,
    }
}
