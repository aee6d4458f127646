//! Frames that old profiles should not show: allocators, profilers and locks themselves.

use crate::model::View;

/// Functions between the caller and the allocator's record.
static ALLOCATORS: [&str; 49] = [
    r"calloc",
    r"cfree",
    r"malloc",
    r"free",
    r"memalign",
    r"do_memalign",
    r"(__)?posix_memalign",
    r"pvalloc",
    r"valloc",
    r"realloc",
    r"tcmalloc::.*",
    r"tc_calloc",
    r"tc_cfree",
    r"tc_malloc",
    r"tc_free",
    r"tc_memalign",
    r"tc_posix_memalign",
    r"tc_pvalloc",
    r"tc_valloc",
    r"tc_realloc",
    r"tc_new",
    r"tc_delete",
    r"tc_newarray",
    r"tc_deletearray",
    r"tc_new_nothrow",
    r"tc_newarray_nothrow",
    r"malloc_zone_malloc",
    r"malloc_zone_calloc",
    r"malloc_zone_valloc",
    r"malloc_zone_realloc",
    r"malloc_zone_memalign",
    r"malloc_zone_free",
    r"runtime\..*",
    r"BaseArena::.*",
    r"(::)?do_malloc_no_errno",
    r"(::)?do_malloc_pages",
    r"(::)?do_malloc",
    r"DoSampledAllocation",
    r"MallocedMemBlock::MallocedMemBlock",
    r"_M_allocate",
    r"__builtin_(vec_)?delete",
    r"__builtin_(vec_)?new",
    r"__gnu_cxx::new_allocator::allocate",
    r"__libc_malloc",
    r"__malloc_alloc_template::allocate",
    r"allocate",
    r"cpp_alloc",
    r"operator new(\[\])?",
    r"simple_alloc::allocate",
];

/// Of these, functions that lead on to the program.
static NOT_ALLOCATORS: [&str; 3] = [r"runtime\.panic", r"runtime\.reflectcall", r"runtime\.call[0-9]*"];

/// Functions of the CPU profiler's signal handler.
static PROFILERS: [&str; 5] = [
    r"ProfileData::Add",
    r"ProfileData::prof_handler",
    r"CpuProfiler::prof_handler",
    r"__pthread_sighandler",
    r"__restore",
];

/// Functions of locks.
static LOCKS: [&str; 17] = [
    r"RecordLockProfileData",
    r"(base::)?RecordLockProfileData.*",
    r"(base::)?SubmitMutexProfileData.*",
    r"(base::)?SubmitSpinLockProfileData.*",
    r"(base::Mutex::)?AwaitCommon.*",
    r"(base::Mutex::)?Unlock.*",
    r"(base::Mutex::)?UnlockSlow.*",
    r"(base::Mutex::)?ReaderUnlock.*",
    r"(base::MutexLock::)?~MutexLock.*",
    r"(Mutex::)?AwaitCommon.*",
    r"(Mutex::)?Unlock.*",
    r"(Mutex::)?UnlockSlow.*",
    r"(Mutex::)?ReaderUnlock.*",
    r"(MutexLock::)?~MutexLock.*",
    r"(SpinLock::)?Unlock.*",
    r"(SpinLock::)?SlowUnlock.*",
    r"(SpinLockHolder::)?~SpinLockHolder.*",
];

/// Sets the expressions that the kind of profile calls for.
pub(super) fn set_uninteresting(view: &mut View<'_>) {
    let names: Vec<&str> = view.sample_types.iter().map(|kind| kind.name.as_str()).collect();
    let (drop, keep): (&[&str], &[&str]) = match names[..] {
        ["allocations", "size"]
        | ["objects", "space"]
        | ["inuse_objects", "inuse_space"]
        | ["alloc_objects", "alloc_space"]
        | ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"] => (&ALLOCATORS, &NOT_ALLOCATORS),
        ["contentions", "delay"] => (&LOCKS, &[]),
        _ => (&PROFILERS, &[]),
    };
    view.drop_frames = drop.join("|");
    view.keep_frames = keep.join("|");
}
