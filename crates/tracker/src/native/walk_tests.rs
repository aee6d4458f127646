//! The walk against libgcc's unwinder, in the process of the tests.

use super::frames::{self, NoNotes, Place, Reader, Registers, Trust, Walker};
use super::rule::Shape;

unsafe extern "C" {
    fn _Unwind_Backtrace(
        visit: unsafe extern "C" fn(*mut core::ffi::c_void, *mut core::ffi::c_void) -> i32,
        data: *mut core::ffi::c_void,
    ) -> i32;
    fn _Unwind_GetIP(context: *mut core::ffi::c_void) -> usize;
}

unsafe extern "C" fn visit(context: *mut core::ffi::c_void, found: *mut core::ffi::c_void) -> i32 {
    (*found.cast::<Vec<usize>>()).push(_Unwind_GetIP(context));
    0
}

/// Return addresses of this thread by both unwinders, this function's callers.
#[inline(never)]
fn both() -> (Vec<usize>, Vec<usize>) {
    let (instruction, stack, frame): (usize, usize, usize);
    // SAFETY: reads three registers.
    unsafe {
        core::arch::asm!(
            "lea {0}, [rip]", "mov {1}, rsp", "mov {2}, rbp",
            out(reg) instruction, out(reg) stack, out(reg) frame,
            options(nostack, nomem),
        );
    }
    let mut oracle = Vec::new();
    // SAFETY: the callback gets the vector back.
    unsafe { _Unwind_Backtrace(visit, (&raw mut oracle).cast()) };
    // SAFETY: all zero bytes are a walker.
    let mut walker: Box<Walker> = unsafe { Box::new_zeroed().assume_init() };
    let (bounds, is_own) = walker.stack(stack);
    assert!(is_own && bounds.contains(&stack));
    let mut reader = Reader { bounds, notes: &mut NoNotes, trust: Trust::Certain };
    let mut registers = Registers { address: instruction, stack, frame: Place::Register(frame) };
    let mut found = Vec::new();
    loop {
        let rule = walker.rule(registers.address, reader.trust).rule;
        let Some(caller) = reader.caller(&registers, rule) else { break };
        // Return addresses, as the oracle gives them, but for the instruction that a signal has interrupted.
        found.push(caller.address + usize::from(rule.shape != Shape::Signal));
        registers = caller;
    }
    let position = oracle.iter().position(|at| Some(at) == found.first()).expect("a common frame");
    (found, oracle.split_off(position))
}

#[test]
fn goes_where_libgcc_goes() {
    frames::init(0, 0);
    fn deeper(depth: usize) -> (Vec<usize>, Vec<usize>) {
        let filler = core::hint::black_box(vec![depth; depth]);
        let result = if depth == 0 { both() } else { deeper(depth - 1) };
        core::hint::black_box(filler);
        result
    }
    let closure = || [3, 1, 2].into_iter().map(deeper).next();
    let (found, oracle) = std::thread::spawn(move || closure().expect("one")).join().expect("ends");
    assert!(found.len() > 6, "{found:x?}");
    // libgcc ends with an address of 0, where ours has ended before.
    assert_eq!(found, oracle.iter().copied().filter(|&at| at != 0).collect::<Vec<_>>());
}

#[test]
fn goes_through_a_signal_and_a_comparison_called_from_c() {
    use std::sync::Mutex;
    static RESULT: Mutex<Option<(Vec<usize>, Vec<usize>)>> = Mutex::new(None);
    extern "C" fn handler(_: i32) {
        *RESULT.lock().expect("free") = Some(both());
    }
    extern "C" fn compare(_: *const libc::c_void, _: *const libc::c_void) -> i32 {
        // SAFETY: a signal to this thread itself.
        unsafe { libc::raise(libc::SIGUSR1) };
        0
    }
    frames::init(0, 0);
    let mut numbers = [2, 1];
    // SAFETY: the handler and the comparison have the right types.
    unsafe {
        libc::signal(libc::SIGUSR1, handler as *const () as usize);
        libc::qsort(numbers.as_mut_ptr().cast(), 2, 4, Some(compare));
    }
    let (found, oracle) = RESULT.lock().expect("free").take().expect("the handler ran");
    assert!(found.len() > 8, "{found:x?}");
    assert_eq!(found, oracle.iter().copied().filter(|&at| at != 0).collect::<Vec<_>>());
}
