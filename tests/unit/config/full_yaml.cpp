// The indentation reader behind the tests that break conf/full.yaml.
#include "tests/unit/config/full_yaml.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <utility>

namespace gatehouse::config::testing {
namespace {

std::string join_lines(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += line + "\n";
    return out;
}

void replace_once(std::string& text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
}

// The fields that the file shows only in comments.
void activate(std::string& text, const std::string& path) {
    if (path == "origins.<name>.ca_file") replace_once(text, "# ca_file: origin-ca.pem", "ca_file: full.yaml");
    for (const auto& [field, comment] : {std::pair(".request.body", "# body: "),
                                         {".response.error", "# error: "},
                                         {".pages[].error", "# error: "},
                                         {".expect.error_page", "# error_page: "}}) {
        if (!path.ends_with(field)) continue;
        const std::string shown(comment);
        for (std::size_t at = text.find(shown); at != std::string::npos; at = text.find(shown, at)) {
            text.replace(at, 2, "");
        }
    }
    if (path != "timeouts.shutdown") return;
    replace_once(text, "# shutdown: 30s", "shutdown: 30s");
    replace_once(text, "\nshutdown_timeout: 30s\n", "\n");
}

bool is_blank_or_comment(const std::string& line) {
    const std::size_t first = line.find_first_not_of(' ');
    return first == std::string::npos || line[first] == '#';
}

struct Open {
    std::size_t indent;
    std::string path;
    std::size_t index; // in fields_
};

std::set<std::string> paths_of(FieldShape shape) {
    std::set<std::string> out;
    for (const FieldDescription& field : field_descriptions()) {
        if (field.shape == shape) out.insert(field.path);
    }
    return out;
}

} // namespace

std::string full_yaml_path() { return std::string(GATEHOUSE_SOURCE_DIR) + "/conf/full.yaml"; }

std::string read_whole_file(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    REQUIRE(in.good());
    return text.str();
}

FullYaml::FullYaml(const std::string& path) {
    std::string text = read_whole_file(full_yaml_path());
    activate(text, path);
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines_.push_back(line);
    index_fields();
}

void FullYaml::index_fields() {
    const std::set<std::string> named = paths_of(FieldShape::NamedMappings);
    const std::set<std::string> lists = paths_of(FieldShape::ListOfMappings);
    std::vector<Open> open;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        const std::string& line = lines_[i];
        if (is_blank_or_comment(line)) continue;
        FieldLines field;
        field.first = field.last = i;
        field.indent = line.find_first_not_of(' ');
        field.first_of_item = line[field.indent] == '-';
        if (field.first_of_item) field.indent += 2;
        while (!open.empty() && open.back().indent >= field.indent) open.pop_back();
        const std::size_t colon = line.find(':', field.indent);
        REQUIRE(colon != std::string::npos);
        field.name = line.substr(field.indent, colon - field.indent);
        if (colon + 2 < line.size()) field.value = line.substr(colon + 2);
        const std::string parent = open.empty() ? "" : open.back().path;
        // Within a list the fields stand two levels below the list's name.
        field.path = parent;
        if (lists.count(parent) != 0) field.path += "[]";
        if (!parent.empty()) field.path += ".";
        field.path += named.count(parent) != 0 ? "<name>" : field.name;
        for (const Open& around : open) fields_[around.index].last = i;
        open.push_back({field.indent, field.path, fields_.size()});
        fields_.push_back(std::move(field));
    }
}

bool FullYaml::contains(const std::string& path) const {
    for (const FieldLines& field : fields_) {
        if (field.path == path) return true;
    }
    return false;
}

FieldLines FullYaml::find(const std::string& path) const {
    for (const FieldLines& field : fields_) {
        if (field.path == path) return field;
    }
    FAIL("conf/full.yaml does not show " << path);
    return {};
}

std::string FullYaml::with_value(const FieldLines& field, const std::string& value) const {
    std::vector<std::string> lines = lines_;
    lines[field.first] = lines[field.first].substr(0, field.indent) + field.name + ": " + value;
    // What the field contained goes; blank lines stay in its place, so that later lines keep their numbers.
    for (std::size_t i = field.first + 1; i <= field.last; ++i) lines[i].clear();
    return join_lines(lines);
}

std::string FullYaml::with_line_after(const FieldLines& field, const std::string& line) const {
    std::vector<std::string> lines = lines_;
    const auto behind = lines.begin() + static_cast<std::ptrdiff_t>(field.last) + 1;
    lines.insert(behind, std::string(field.indent, ' ') + line);
    return join_lines(lines);
}

std::string FullYaml::with_copy_after(const FieldLines& field) const {
    std::vector<std::string> lines = lines_;
    std::vector<std::string> copy(lines.begin() + static_cast<std::ptrdiff_t>(field.first),
                                  lines.begin() + static_cast<std::ptrdiff_t>(field.last) + 1);
    copy.front() = std::string(field.indent, ' ') + copy.front().substr(field.indent);
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(field.last) + 1, copy.begin(), copy.end());
    return join_lines(lines);
}

std::string FullYaml::without(const FieldLines& field) const {
    std::vector<std::string> lines = lines_;
    for (std::size_t i = field.first; i <= field.last; ++i) lines[i].clear();
    return join_lines(lines);
}

} // namespace gatehouse::config::testing
