// Reads the tables of docs/CACHING.md and looks for everything that they name.
#include "tests/style/caching_table.h"

#include "tests/style/scan.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

namespace gatehouse::style {
namespace {

constexpr std::string_view kExtra = "says";
constexpr std::string_view kNotOurs = "not ours: ";

struct Link {
    std::string_view text;
    std::string_view target; // relative to docs/
};

struct Row {
    std::string_view clause; // "4.2.1-2"
    std::string_view level;
    std::string_view rule;
    std::vector<Link> where;
    std::vector<Link> shown;
    std::size_t line = 0;

    std::string_view section() const { return clause.substr(0, clause.find('-')); }
};

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

// [text](target), several of them; a text may hold parentheses.
std::vector<Link> links_in(std::string_view cell) {
    std::vector<Link> links;
    for (auto begin = cell.find('['); begin != std::string_view::npos; begin = cell.find('[', begin)) {
        const auto middle = cell.find("](", begin);
        const auto end = middle == std::string_view::npos ? middle : cell.find(')', middle);
        if (end == std::string_view::npos) break;
        links.push_back({cell.substr(begin + 1, middle - begin - 1), cell.substr(middle + 2, end - middle - 2)});
        begin = end;
    }
    return links;
}

bool is_number(char c) { return c >= '0' && c <= '9'; }

std::vector<Row> rows_of(const SourceFile& page) {
    std::vector<Row> rows;
    const auto lines = split_lines(page.text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (!lines[i].starts_with("| ") || lines[i].size() < 3 || !is_number(lines[i][2])) continue;
        std::vector<std::string_view> cells;
        for (auto rest = lines[i].substr(1); rest.find('|') != std::string_view::npos;) {
            cells.push_back(trimmed(rest.substr(0, rest.find('|'))));
            rest.remove_prefix(rest.find('|') + 1);
        }
        cells.resize(std::max<std::size_t>(cells.size(), 5));
        rows.push_back({cells[0], cells[1], cells[2], links_in(cells[3]), links_in(cells[4]), i + 1});
    }
    return rows;
}

class Checker {
public:
    Checker(const SourceFile& page, const std::vector<SourceFile>& tree, const std::vector<Rfc9111Section>& sections)
        : page_(page), tree_(tree), sections_(sections), rows_(rows_of(page)) {}

    Findings run() && {
        for (const auto& section : sections_) check_section(section);
        for (const auto& row : rows_) check_row(row);
        for (const auto& file : tree_) check_citations(file);
        return std::move(findings_);
    }

private:
    void add(std::size_t line, std::string message) { findings_.push_back({page_.path, line, std::move(message)}); }

    // The line of "## 4.2 Freshness", or 0.
    std::size_t heading_line(std::string_view number) const {
        const auto lines = split_lines(page_.text);
        const std::string heading = "## " + std::string(number) + " ";
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (lines[i].starts_with(heading)) return i + 1;
        }
        return 0;
    }

    void check_section(const Rfc9111Section& section) {
        const auto line = heading_line(section.number);
        if (line == 0) return add(1, "section " + std::string(section.number) + " has no heading");
        std::vector<std::string_view> levels;
        std::size_t count = 0;
        for (const auto& row : rows_) {
            if (row.section() != section.number) continue;
            ++count;
            if (row.clause != std::string(section.number) + "-" + std::to_string(count)) {
                add(row.line, std::string(row.clause) + " is not the next number");
            }
            if (row.level != kExtra) levels.push_back(row.level);
        }
        if (count == 0) return add(line, "section " + std::string(section.number) + " has no row");
        if (levels != section.levels) {
            add(line,
                "section " + std::string(section.number) + " has not the requirements of the RFC, in their order");
        }
    }

    void check_row(const Row& row) {
        if (!is_known(row.section())) add(row.line, std::string(row.clause) + " belongs to no section");
        if (row.rule.empty()) add(row.line, std::string(row.clause) + " says nothing");
        const bool is_ours = !row.rule.starts_with(kNotOurs);
        if (is_ours == row.where.empty() || is_ours == row.shown.empty()) {
            add(row.line, std::string(row.clause) + " needs a function and a test, or to say that it is not ours");
        }
        for (const auto& link : row.where) {
            const auto* file = file_at(link.target);
            const auto name = link.text.size() > 2 ? link.text.substr(1, link.text.size() - 2) : std::string_view();
            if (file == nullptr || !link.text.starts_with('`') || find_words(file->code, name).empty()) {
                add(row.line, std::string(link.text) + " is not in " + std::string(link.target));
            }
        }
        for (const auto& link : row.shown) {
            const auto* file = file_at(link.target);
            const auto test = "TEST_CASE(\"" + std::string(link.text) + "\")";
            if (file == nullptr || file->code_and_strings.find(test) == std::string::npos) {
                add(row.line, "no test `" + std::string(link.text) + "` in " + std::string(link.target));
            }
        }
    }

    const SourceFile* file_at(std::string_view target) const {
        if (!target.starts_with("../")) return nullptr;
        const auto found = std::ranges::find(tree_, target.substr(3), &SourceFile::path);
        return found == tree_.end() ? nullptr : &*found;
    }

    bool is_known(std::string_view number) const {
        return std::ranges::find(sections_, number, &Rfc9111Section::number) != sections_.end();
    }

    // "RFC 9111 section 4.2.1", and "sections 3, 3.1 and 3.2".
    void check_citations(const SourceFile& file) {
        static constexpr std::array<std::string_view, 4> kFolders{"http", "config", "cache", "proxy"};
        if (!std::ranges::any_of(kFolders, [&](std::string_view folder) { return file.is_in(folder); })) return;
        static constexpr std::string_view kCitation = "RFC 9111 section";
        const std::string_view text = file.text;
        for (auto at = text.find(kCitation); at != std::string_view::npos; at = text.find(kCitation, at + 1)) {
            auto rest = text.substr(at + kCitation.size());
            if (rest.starts_with('s')) rest.remove_prefix(1);
            for (auto number = next_number(rest); !number.empty(); number = next_number(rest)) {
                if (!is_known(number)) {
                    findings_.push_back({file.path, line_of(text, at),
                                         "RFC 9111 section " + std::string(number) + " has no row in " + page_.path});
                }
            }
        }
    }

    // Takes " 4.2.1" off the front, or the ", 4.2" and " and 5" that may follow.
    static std::string_view next_number(std::string_view& rest) {
        for (const std::string_view between : {", ", " and ", " "}) {
            if (!rest.starts_with(between) || rest.size() == between.size() || !is_number(rest[between.size()]))
                continue;
            rest.remove_prefix(between.size());
            auto end = std::min(rest.find_first_not_of("0123456789."), rest.size());
            while (rest[end - 1] == '.') --end; // the end of a sentence
            const auto number = rest.substr(0, end);
            rest.remove_prefix(end);
            return number;
        }
        return {};
    }

    const SourceFile& page_;
    const std::vector<SourceFile>& tree_;
    const std::vector<Rfc9111Section>& sections_;
    std::vector<Row> rows_;
    Findings findings_;
};

} // namespace

const std::vector<Rfc9111Section>& rfc9111_sections() {
    static const std::vector<Rfc9111Section> kSections{
        {"1", {"MAY"}},
        {"1.2.2", {"MUST"}},
        {"2", {}},
        {"3", {"MUST NOT"}},
        {"3.1", {"MUST", "MAY", "MAY", "MUST NOT", "MAY", "MUST NOT"}},
        {"3.2", {"MUST", "MAY", "SHOULD", "MAY"}},
        {"3.3", {"MAY", "MAY", "MUST NOT", "MAY", "MUST NOT", "MUST NOT"}},
        {"3.4", {"MAY", "MUST"}},
        {"3.5", {"MUST NOT"}},
        {"4", {"MUST NOT", "MUST", "MUST", "MUST", "MUST"}},
        {"4.1", {"MUST NOT", "MAY", "SHOULD"}},
        {"4.2", {"SHOULD", "MUST", "MUST NOT", "SHOULD"}},
        {"4.2.1", {}},
        {"4.2.2", {"MAY", "MUST NOT"}},
        {"4.2.3", {"MUST", "MAY"}},
        {"4.2.4", {"MUST NOT", "MUST NOT"}},
        {"4.3", {}},
        {"4.3.1", {"MUST", "SHOULD", "MAY"}},
        {"4.3.2", {"SHOULD", "MUST NOT", "SHOULD", "MAY", "MUST NOT", "MUST"}},
        {"4.3.3", {"MUST", "MAY"}},
        {"4.3.4", {"MUST NOT", "MUST"}},
        {"4.3.5", {"SHOULD", "SHOULD", "SHOULD", "MUST"}},
        {"4.4", {"MUST", "MAY", "MUST NOT"}},
        {"5.1", {"SHOULD", "SHOULD"}},
        {"5.2", {"MUST"}},
        {"5.2.1", {"MAY"}},
        {"5.2.1.1", {"MUST NOT"}},
        {"5.2.1.2", {"MUST NOT"}},
        {"5.2.1.3", {"MUST NOT"}},
        {"5.2.1.4", {}},
        {"5.2.1.5", {"MUST NOT", "MUST NOT", "MUST NOT", "MUST"}},
        {"5.2.1.6", {}},
        {"5.2.1.7", {"SHOULD"}},
        {"5.2.2", {"MUST"}},
        {"5.2.2.1", {"MUST NOT"}},
        {"5.2.2.2", {"MUST NOT", "MUST NOT", "MUST", "SHOULD"}},
        {"5.2.2.3", {"SHOULD", "SHOULD"}},
        {"5.2.2.4", {"MUST NOT", "MAY", "SHOULD NOT"}},
        {"5.2.2.5", {"MUST NOT", "MUST NOT", "MUST NOT", "MUST NOT", "MUST"}},
        {"5.2.2.6", {"MUST NOT"}},
        {"5.2.2.7", {"MUST NOT", "MAY", "MUST NOT", "MAY", "SHOULD NOT"}},
        {"5.2.2.8", {"MUST NOT"}},
        {"5.2.2.9", {"MAY"}},
        {"5.2.2.10", {"MUST NOT", "MUST NOT"}},
        {"5.2.3", {"MUST"}},
        {"5.2.4", {"MUST"}},
        {"5.3", {"MUST", "MUST", "MUST", "MUST NOT"}},
        {"5.4", {}},
        {"5.5", {}},
        {"7.1", {}},
        {"7.2", {}},
        {"7.3", {}},
    };
    return kSections;
}

Findings check_caching_table(const SourceFile& page, const std::vector<SourceFile>& tree,
                             const std::vector<Rfc9111Section>& sections) {
    return Checker(page, tree, sections).run();
}

} // namespace gatehouse::style
