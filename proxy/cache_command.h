// `gatehouse cache`: looks into the directory of a disk store, also while a proxy uses it. Nothing is changed there.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace gatehouse::proxy {

struct CacheQuestion {
    enum class Kind : unsigned char { List, Stat, Verify, Dump };
    Kind kind = Kind::List;
    std::string path;                   // the directory
    bool json = false;                  // List and Stat
    std::string match;                  // List: the beginning of a URL, or a pattern with *
    std::string target;                 // Dump: a URL, a path or a key
    std::string body_file;              // Dump: where the body goes; "-": standard output
    std::optional<std::size_t> variant; // Dump: which of those that match, from 1 on
};

// What the command found.
inline constexpr int kCacheIsWell = 0;
inline constexpr int kCacheIsWrong = 1;    // Verify: something is; Dump: nothing matches, or the body is not there
inline constexpr int kCacheUnreadable = 2; // as for a command line that is wrong: this is no cache directory

inline constexpr const char* kCacheCommands = "ls, stat, verify and dump";

// Declares the commands below `cache`, which fill `asked` when they are parsed.
void add_cache_commands(CLI::App& cache, CacheQuestion& asked);
// What is wrong with what was asked; empty: nothing.
std::string check_cache_question(const CacheQuestion& asked);
// `out` gets what was asked for, `err` what stands in the way. Returns the exit status.
int run_cache(const CacheQuestion& asked, std::ostream& out, std::ostream& err);

} // namespace gatehouse::proxy
