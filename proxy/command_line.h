// The command line: what was asked for, and the commands that need no proxy.
#pragma once

#include "config/config.h"
#include "config/loader.h"
#include "proxy/cache_command.h"
#include "proxy/explain.h"
#include "proxy/rule_tests.h"

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace gatehouse::proxy {

// Exit statuses of the program.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1; // problems in a file, a start that failed, a purge that was refused
inline constexpr int kExitUsage = 2;  // the command line itself is wrong

struct CommandLine {
    enum class Command : unsigned char { Run, Check, Test, Explain, Schema, Version, Purge, Cache, Help, UsageError };
    Command command = Command::UsageError;
    std::string file;                     // Run and Explain
    std::vector<std::string> files;       // Check and Test; never empty
    bool deny_warnings = false;           // Check: they count as errors
    bool watch = false;                   // Run: reload when the file changes
    bool test_rules = false;              // Run: a configuration of which a test fails is not used
    TestReport report = TestReport::Text; // Test
    ExplainQuestion question;             // Explain
    bool json = false;                    // Explain
    std::string admin_url;                // Purge: "http://127.0.0.1:9180"; Explain: the same, or empty for `file`
    std::string purge_json;               // Purge: the content for POST /purge
    CacheQuestion cache;                  // Cache
    std::string text;                     // Help: for standard output; UsageError: for standard error
};

inline constexpr const char* kDefaultAdminUrl = "http://127.0.0.1:9180";

// Never fails: what is wrong comes back as UsageError with a text that says what is accepted.
CommandLine parse_command_line(int argc, const char* const* argv);

// Performs every command but Run, and returns the exit status.
int run_command(const CommandLine& command_line, std::ostream& out, std::ostream& err);
// Loads the file of `run`. A test that fails is a problem where --test was given.
config::LoadResult load_to_reload(const CommandLine& command_line);
// The configuration to run with; null when there are problems, which `err` gets in the words of `check`. Warnings go to
// the diagnostic log.
std::shared_ptr<const config::Config> take_to_run(config::LoadResult loaded, std::ostream& err);
// Loads each file. All problems and warnings of all files go to `err`, "FILE: ok" to `out`; the last line is the sum of
// them, on `err` when a file is not good.
int run_check(const CommandLine& command_line, std::ostream& out, std::ostream& err);
// Says what becomes of one request under the rules of a file.
int run_explain(const CommandLine& command_line, std::ostream& out, std::ostream& err);
// Runs the tests of each file; the report goes to `out`. kExitFailed when one fails, or a file has problems or no test.
int run_tests(const CommandLine& command_line, std::ostream& out, std::ostream& err);

} // namespace gatehouse::proxy
