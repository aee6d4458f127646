/* Executes a program under a filter by which what containers forbid fails with EPERM. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int forbidden[] = {
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_perf_event_open, SYS_bpf, SYS_userfaultfd,
    SYS_memfd_create, SYS_pidfd_open, SYS_pidfd_getfd, SYS_kcmp, SYS_io_uring_setup, SYS_membarrier, SYS_rseq,
    SYS_fallocate, SYS_copy_file_range, SYS_personality, SYS_unshare, SYS_setns, SYS_mount, SYS_inotify_init1,
    SYS_close_range, SYS_statx, SYS_mlock, SYS_mlockall,
};
#define COUNT (sizeof forbidden / sizeof *forbidden)

int main(int argc, char **argv) {
    struct sock_filter code[COUNT + 4];
    int at = 0;
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned index = 0; index < COUNT; index++)
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, forbidden[index], COUNT - index, 0);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    struct sock_fprog program = {.len = at, .filter = code};
    if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("filter");
        return 99;
    }
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 99;
}
