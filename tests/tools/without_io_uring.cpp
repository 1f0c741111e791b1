// Runs a program for which the kernel refuses io_uring, as containers do: without_io_uring PROGRAM [ARGUMENT]...
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

bool refuse_io_uring() {
    std::array<sock_filter, 4> rules{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    const sock_fprog program{rules.size(), rules.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

} // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fputs("usage: without_io_uring PROGRAM [ARGUMENT]...\n", stderr);
        return 2;
    }
    if (!refuse_io_uring()) {
        std::perror("seccomp");
        return 2;
    }
    ::execvp(arguments[1], arguments + 1);
    std::perror(arguments[1]);
    return 2;
}
