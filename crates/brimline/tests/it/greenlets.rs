//! Greenlets swap the interpreter's chain of frames under a thread: every line's blocks and bytes, live and ever
//! allocated, equal those of a counter in C that asks the interpreter for the line.
use crate::python::{Python, service_pythons};
use crate::tracemalloc::compare;

const WORK: &str = include_str!("programs/greenlets_work.py");

#[test]
fn greenlets_and_gevent_equal_a_counter_in_c() {
    for python in service_pythons() {
        let in_venv = Python { bare: python.in_venv(), venv: python.venv };
        compare(&in_venv, "greenlets_work", WORK, &[], "library", 4);
    }
}
