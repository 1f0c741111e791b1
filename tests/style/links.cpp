// The rule on Markdown: relative links lead somewhere.
#include "tests/style/rules.h"
#include "tests/style/scan.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace gatehouse::style {
namespace {

namespace fs = std::filesystem;

// Code in a Markdown file: fenced blocks and spans between backticks are blanked, lines stay lines.
std::string without_code(std::string_view text) {
    std::string prose(text);
    bool fenced = false;
    std::size_t begin = 0;
    while (begin < prose.size()) {
        auto end = prose.find('\n', begin);
        if (end == std::string::npos) end = prose.size();
        const auto line = std::string_view(prose).substr(begin, end - begin);
        const bool fence = line.substr(skip_space(line, 0)).starts_with("```");
        if (fence) fenced = !fenced;
        bool in_span = false;
        for (auto i = begin; i < end; ++i) {
            const bool tick = prose[i] == '`';
            if (tick) in_span = !in_span;
            if (fenced || fence || in_span || tick) prose[i] = ' ';
        }
        begin = end + 1;
    }
    return prose;
}

// The name by which a heading is linked: lower case, blanks as hyphens, other punctuation dropped.
std::string anchor_of(std::string_view heading) {
    std::string anchor;
    for (const char c : heading) {
        if (c >= 'A' && c <= 'Z') {
            anchor += static_cast<char>(c - 'A' + 'a');
        } else if (is_identifier_char(c) || c == '-') {
            anchor += c;
        } else if (c == ' ') {
            anchor += '-';
        }
    }
    return anchor;
}

bool has_heading(std::string_view markdown, std::string_view anchor) {
    const auto lines = split_lines(markdown);
    return std::ranges::any_of(lines, [&](std::string_view line) {
        if (!line.starts_with('#')) return false;
        const auto text = line.find_first_not_of("# ");
        return text != std::string_view::npos && anchor_of(line.substr(text)) == anchor;
    });
}

std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    return std::move(content).str();
}

bool leads_outside(std::string_view target) {
    return target.find("://") != std::string_view::npos || target.starts_with("mailto:");
}

} // namespace

Findings check_links(const SourceFile& file, const fs::path& root) {
    Findings findings;
    if (!file.path.ends_with(".md")) return findings;
    const auto prose = without_code(file.text);
    for (auto at = prose.find("]("); at != std::string::npos; at = prose.find("](", at + 1)) {
        const auto end = prose.find_first_of(") \n", at + 2);
        if (end == std::string::npos) break;
        const auto target = std::string_view(prose).substr(at + 2, end - at - 2);
        if (target.empty() || leads_outside(target)) continue;

        const auto hash = std::min(target.find('#'), target.size());
        const auto path = target.substr(0, hash);
        const auto there = path.empty() ? root / file.path : (root / file.path).parent_path() / path;
        const auto line = line_of(prose, at);
        if (!path.empty() && !fs::exists(there)) {
            findings.push_back({file.path, line, "`" + std::string(target) + "` leads nowhere"});
        } else if (hash < target.size() && there.extension() == ".md" &&
                   !has_heading(path.empty() ? file.text : read(there), target.substr(hash + 1))) {
            findings.push_back({file.path, line, "`" + std::string(target) + "` names no heading there"});
        }
    }
    return findings;
}

} // namespace gatehouse::style
