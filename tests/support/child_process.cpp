// posix_spawn and waitpid.
#include "tests/support/child_process.h"

#include "tests/support/gates.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ; // NOLINT: POSIX declares it in no header

namespace gatehouse::testing {

namespace {

pid_t start(const std::vector<std::string>& arguments, const std::string& output) {
    std::vector<std::string> copy = arguments;
    std::vector<char*> raw;
    raw.reserve(copy.size() + 1);
    for (std::string& argument : copy) {
        raw.push_back(argument.data());
    }
    raw.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    pid_t process = 0;
    const int error = ::posix_spawnp(&process, raw.front(), &actions, nullptr, raw.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw HarnessError(arguments.front() + " cannot be started: " + std::strerror(error));
    }
    return process;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct Ended {
    bool well = false;
    std::string output;
};

Ended run_to_end(const std::vector<std::string>& arguments) {
    const ScratchDirectory directory;
    const std::string output = directory.path("output");
    const pid_t process = start(arguments, output);
    int status = 0;
    while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {}
    return {WIFEXITED(status) && WEXITSTATUS(status) == 0, read_file(output)};
}

} // namespace

ScratchDirectory::ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gatehouse-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw HarnessError("no scratch directory: " + std::string(std::strerror(errno)));
    }
    directory_ = pattern;
}

ScratchDirectory::~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::string ScratchDirectory::write(std::string_view name, std::string_view text) const {
    std::string file = path(name);
    std::ofstream(file, std::ios::binary) << text;
    return file;
}

std::string run_program(const std::vector<std::string>& arguments) {
    Ended ended = run_to_end(arguments);
    if (!ended.well) {
        std::string line;
        for (const std::string& argument : arguments) {
            line += argument + " ";
        }
        throw HarnessError(line + "failed: " + ended.output);
    }
    return std::move(ended.output);
}

bool program_succeeds(const std::vector<std::string>& arguments) { return run_to_end(arguments).well; }

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, std::string log)
    : process_(start(arguments, log)), log_(std::move(log)) {}

ChildProcess::~ChildProcess() { kill(); }

void ChildProcess::kill() {
    if (is_running()) {
        ::kill(process_, SIGKILL);
        int status = 0;
        while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {}
        process_ = 0;
    }
}

bool ChildProcess::is_running() {
    if (process_ > 0) {
        int status = 0;
        if (::waitpid(process_, &status, WNOHANG) != 0) {
            process_ = 0; // it has ended, and its number may be somebody else's by now
        }
    }
    return process_ > 0;
}

int ChildProcess::end() {
    if (process_ == 0) {
        throw HarnessError("the program has ended by itself: " + log());
    }
    const int ending = static_cast<int>(::syscall(SYS_pidfd_open, process_, 0)); // readable at its end
    ::kill(process_, SIGTERM);
    pollfd event{ending, POLLIN, 0};
    const int ended = ::poll(&event, 1, static_cast<int>(std::chrono::milliseconds(kSafetyTime).count()));
    ::close(ending);
    if (ended != 1) {
        throw HarnessError("the program does not end: " + log());
    }
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {}
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string ChildProcess::log() const { return read_file(log_); }

} // namespace gatehouse::testing
