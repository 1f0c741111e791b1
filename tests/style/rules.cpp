// The rules on code: includes, waiting, clocks, coroutines, length, comments.
#include "tests/style/rules.h"

#include "tests/style/scan.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::style {
namespace {

struct Include {
    std::string_view path;
    bool quoted = false;
    std::size_t line = 0;
};

// The include directives of a file. A directive inside a literal or a comment is none.
std::vector<Include> includes_of(const SourceFile& file) {
    std::vector<Include> includes;
    const auto code = split_lines(file.code);
    const auto lines = split_lines(file.code_and_strings);
    for (std::size_t i = 0; i < code.size(); ++i) {
        auto at = skip_space(code[i], 0);
        if (at == code[i].size() || code[i][at] != '#') continue;
        at = skip_space(code[i], at + 1);
        if (!code[i].substr(at).starts_with("include")) continue;
        at = lines[i].find_first_of("\"<", at);
        if (at == std::string_view::npos) continue;
        const bool quoted = lines[i][at] == '"';
        const auto end = lines[i].find(quoted ? '"' : '>', at + 1);
        if (end == std::string_view::npos) continue;
        includes.push_back({lines[i].substr(at + 1, end - at - 1), quoted, i + 1});
    }
    return includes;
}

bool is_below(std::string_view path, std::string_view folder) {
    return path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/';
}

// A folder and the folders it may include, from the most special path to the least: cache/policy is asked
// before cache.
struct Layer {
    std::string_view folder;
    std::vector<std::string_view> may_include;
};

const std::vector<Layer>& layers() {
    static const std::vector<Layer> kLayers{
        {"http", {"http"}},
        {"config", {"config", "http"}},
        {"cache/policy", {"cache/policy", "config", "http"}},
        {"cache/store", {"cache/store", "cache/policy", "config", "http"}},
        {"cache", {"cache", "config", "http"}},
        {"proxy", {"proxy", "cache", "config", "http"}},
        {"tests", {"tests", "bench", "proxy", "cache", "config", "http"}},
        {"bench", {"bench", "tests/support", "proxy", "cache", "config", "http"}},
        {"cmake", {}},
    };
    return kLayers;
}

const Layer* layer_of(const SourceFile& file) {
    const auto layer =
        std::ranges::find_if(layers(), [&](const Layer& candidate) { return file.is_in(candidate.folder); });
    return layer == layers().end() ? nullptr : &*layer;
}

bool is_in_any(const SourceFile& file, std::initializer_list<std::string_view> folders) {
    return std::ranges::any_of(folders, [&](std::string_view folder) { return file.is_in(folder); });
}

void add_words(Findings& findings, const SourceFile& file, std::string_view word, std::string_view message) {
    for (const auto at : find_words(file.code, word)) {
        findings.push_back({file.path, line_of(file.code, at), "`" + std::string(word) + "`: " + std::string(message)});
    }
}

// The expression that follows a co_await: up to the end of the statement, a comma, or the bracket that
// closes around it. Brackets inside it are skipped as a whole, so a lambda's body does not end it.
std::string_view co_await_operand(std::string_view code, std::size_t from) {
    int depth = 0;
    for (auto at = from; at < code.size(); ++at) {
        const char c = code[at];
        if (c == '(' || c == '[' || c == '{') ++depth;
        if (c == ')' || c == ']' || c == '}') --depth;
        const bool ends = depth < 0 || (depth == 0 && (c == ';' || c == ','));
        if (ends) return code.substr(from, at - from);
    }
    return code.substr(from);
}

// `[x](` or `[&] {` that opens a lambda with a capture. A bracket behind a name or a closing bracket is a
// subscript, and one behind another opening square bracket is an attribute.
bool opens_capturing_lambda(std::string_view code, std::size_t at) {
    if (code[at] != '[') return false;
    const char before = last_before(code, at);
    if (is_identifier_char(before) || before == ')' || before == ']' || before == '[') return false;
    const auto end = code.find(']', at);
    if (end == std::string_view::npos || skip_space(code, at + 1) == end) return false;
    if (code[at + 1] == '[') return false;
    const auto next = code.substr(skip_space(code, end + 1));
    return next.starts_with('(') || next.starts_with('{') || next.starts_with("mutable");
}

// `{.name = ...}` anywhere, or a bare `{...}` as an argument.
bool opens_aggregate(std::string_view code, std::size_t at) {
    if (code[at] != '{') return false;
    const auto inside = skip_space(code, at + 1);
    if (inside >= code.size() || code[inside] == '}') return false;
    if (code[inside] == '.' && code.substr(inside, 3) != "...") return true;
    const char before = last_before(code, at);
    return before == '(' || before == ',';
}

bool is_script(const SourceFile& file) {
    return file.text.starts_with("#!") || file.path.ends_with(".sh") || file.path.ends_with(".cmake") ||
           file.path.ends_with("CMakeLists.txt");
}

// A .cpp file that begins with its own header: what the header says at its top holds for both.
bool begins_with_own_header(const SourceFile& file) {
    if (!file.path.ends_with(".cpp")) return false;
    const auto stem = file.path.substr(0, file.path.size() - std::string_view(".cpp").size());
    return file.text.starts_with("#include \"" + stem + ".h\"");
}

std::optional<std::string_view> comment_start(const SourceFile& file) {
    if (file.is_cpp() || file.path.ends_with(".mjs")) return "//";
    if (is_script(file)) return "#";
    return std::nullopt;
}

} // namespace

Findings check_include_direction(const SourceFile& file) {
    Findings findings;
    const auto* layer = layer_of(file);
    if (!file.is_cpp() || layer == nullptr) return findings;
    for (const auto& include : includes_of(file)) {
        if (!include.quoted) continue;
        const bool allowed = std::ranges::any_of(
            layer->may_include, [&](std::string_view folder) { return is_below(include.path, folder); });
        if (!allowed) {
            findings.push_back(
                {file.path, include.line,
                 std::string(layer->folder) + "/ may not include \"" + std::string(include.path) + "\""});
        }
    }
    return findings;
}

Findings check_library_includes(const SourceFile& file) {
    Findings findings;
    if (!file.is_cpp()) return findings;
    for (const auto& include : includes_of(file)) {
        const auto is = [&](std::string_view prefix) { return include.path.starts_with(prefix); };
        const auto add = [&](std::string_view why) {
            findings.push_back({file.path, include.line, "<" + std::string(include.path) + ">: " + std::string(why)});
        };
        const bool is_wire = is("boost/beast") || is("boost/asio/ssl") || is("openssl/");
        if (is_wire && !is_in_any(file, {"proxy", "tests", "bench", "cmake"})) {
            add("Beast and OpenSSL stay in proxy/");
        }
        if (is("boost/asio") && is_in_any(file, {"http", "config", "cache/policy"})) {
            add("values and decisions know no Asio");
        }
        if (is("yaml-cpp/") && file.path != "config/loader.cpp") {
            add("yaml-cpp stays in config/loader.cpp");
        }
    }
    return findings;
}

Findings check_waiting(const SourceFile& file) {
    Findings findings;
    if (!file.is_cpp() || file.path.starts_with("proxy/deadline_wheel.")) return findings;
    static constexpr std::array kTimers{"steady_timer", "system_timer", "high_resolution_timer", "deadline_timer",
                                        "basic_waitable_timer"};
    for (const auto* word : kTimers) {
        add_words(findings, file, word, "deadlines go through the deadline wheel");
    }
    static constexpr std::array kSleeps{"sleep_for", "sleep_until", "sleep", "usleep", "nanosleep"};
    for (const auto* word : kSleeps) {
        for (const auto at : find_words(file.code, word)) {
            const auto next = skip_space(file.code, at + std::string_view(word).size());
            if (next >= file.code.size() || file.code[next] != '(') continue;
            findings.push_back({file.path, line_of(file.code, at),
                                "`" + std::string(word) + "`: nothing sleeps, tests advance the clock"});
        }
    }
    return findings;
}

Findings check_clock_reads(const SourceFile& file) {
    Findings findings;
    const bool exempt = file.path.starts_with("proxy/clock.") || is_in_any(file, {"bench", "tests/support"});
    if (!file.is_cpp() || exempt) return findings;
    static constexpr std::array kReads{"system_clock::now", "steady_clock::now", "high_resolution_clock::now",
                                       "clock_gettime",     "gettimeofday",      "std::time"};
    for (const auto* word : kReads) {
        add_words(findings, file, word, "the time is read in proxy/clock and passed on");
    }
    return findings;
}

Findings check_detached(const SourceFile& file) {
    Findings findings;
    if (!file.is_cpp()) return findings;
    for (const auto at : find_words(file.code, "detached")) {
        const bool qualified = std::string_view(file.code).substr(0, at).ends_with("::");
        const char before = last_before(file.code, at);
        const auto next = skip_space(file.code, at + std::string_view("detached").size());
        const bool argument = before == ',' && next < file.code.size() && file.code[next] == ')';
        if (qualified || argument) {
            findings.push_back({file.path, line_of(file.code, at),
                                "`detached` swallows exceptions; spawn with a handler that logs them"});
        }
    }
    return findings;
}

Findings check_co_await_temporaries(const SourceFile& file) {
    Findings findings;
    if (!file.is_cpp()) return findings;
    for (const auto at : find_words(file.code, "co_await")) {
        const auto operand = co_await_operand(file.code, at + std::string_view("co_await").size());
        for (std::size_t i = 0; i < operand.size(); ++i) {
            const bool lambda = opens_capturing_lambda(operand, i);
            if (!lambda && !opens_aggregate(operand, i)) continue;
            findings.push_back({file.path, line_of(file.code, at),
                                std::string(lambda ? "a capturing lambda" : "an aggregate") +
                                    " inside a co_await expression may be destroyed twice by GCC 12; "
                                    "name it first"});
            break;
        }
    }
    return findings;
}

Findings check_unfinished_marks(const SourceFile& file) {
    Findings findings;
    // Written in two halves, because this file is checked as well.
    static constexpr std::array kMarks{"TO"
                                       "DO",
                                       "FIX"
                                       "ME",
                                       "XX"
                                       "X"};
    for (const auto* mark : kMarks) {
        for (const auto at : find_words(file.text, mark)) {
            findings.push_back(
                {file.path, line_of(file.text, at), "`" + std::string(mark) + "`: open work belongs into an issue"});
        }
    }
    return findings;
}

Findings check_length(const SourceFile& file) {
    static constexpr std::size_t kSourceLines = 600;
    static constexpr std::size_t kHeaderLines = 300;
    if (!comment_start(file)) return {};
    const auto lines = split_lines(file.text).size();
    const auto limit = file.is_header() ? kHeaderLines : kSourceLines;
    if (lines <= limit) return {};
    return {{file.path, limit + 1, std::to_string(lines) + " lines, and " + std::to_string(limit) + " are the limit"}};
}

Findings check_opening_comment(const SourceFile& file) {
    const auto start = comment_start(file);
    if (!start || begins_with_own_header(file)) return {};
    const auto lines = split_lines(file.text);
    const std::size_t first = file.text.starts_with("#!") ? 1 : 0;
    static constexpr std::size_t kShortestSentence = 20;
    const bool says_something =
        lines.size() > first && lines[first].starts_with(*start) && lines[first].size() >= kShortestSentence;
    if (says_something) return {};
    return {{file.path, first + 1, "the file does not start with a comment that says what it is"}};
}

Findings check_lock_file(const SourceFile& file) {
    Findings findings;
    if (!file.path.ends_with("-lock.json")) return findings;
    for (const auto at : find_words(file.text, "\"resolved\"")) {
        findings.push_back({file.path, line_of(file.text, at), "a lock file records no address"});
    }
    return findings;
}

} // namespace gatehouse::style
