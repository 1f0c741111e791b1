// Programs that tests start, and a directory for their files; both are gone when the test ends.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace gatehouse::testing {

class ScratchDirectory {
public:
    ScratchDirectory();
    ~ScratchDirectory();
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;

    std::string path(std::string_view name) const { return (directory_ / name).string(); }
    // Writes a file and returns its path.
    std::string write(std::string_view name, std::string_view text) const;

private:
    std::filesystem::path directory_;
};

// Runs a program from PATH to its end. Returns what it printed; HarnessError when it fails.
std::string run_program(const std::vector<std::string>& arguments);
// The same, but a failure is an answer too.
bool program_succeeds(const std::vector<std::string>& arguments);

// A program that runs beside the test.
class ChildProcess {
public:
    // Its output goes to a file, for the message of an error.
    ChildProcess(const std::vector<std::string>& arguments, std::string log);
    ~ChildProcess(); // ends it and waits for its end
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    bool is_running();
    pid_t process() const noexcept { return process_; } // 0 when it has been seen to have ended
    // Asks it to end, by SIGTERM, and waits for it. Its exit status; negative when a signal ended it.
    int end();
    // Ends it by SIGKILL: nothing of it runs any more when this returns. Nothing to do where it has ended by itself.
    void kill();
    std::string log() const;

private:
    pid_t process_;
    std::string log_;
};

} // namespace gatehouse::testing
