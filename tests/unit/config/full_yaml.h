// conf/full.yaml as lines with paths, so that tests can break it field by field. It finds its way by indentation alone
// and shares no code with the loader, which is what makes it a check of the places that the loader reports.
#pragma once

#include "config/description.h"

#include <string>
#include <vector>

namespace gatehouse::config::testing {

std::string full_yaml_path();
std::string read_whole_file(const std::string& path);

// A field in the text.
struct FieldLines {
    std::string path;           // as in FieldDescription
    std::size_t first = 0;      // index of its line
    std::size_t last = 0;       // index of the last line that belongs to it
    std::size_t indent = 0;     // column of its name, from 0
    bool first_of_item = false; // "- name: value"
    std::string name;
    std::string value; // what stands behind the colon
};

class FullYaml {
public:
    // The file, with `path` made active where it is commented out.
    explicit FullYaml(const std::string& path);

    // The first place where the field stands. Fails the test when there is none.
    FieldLines find(const std::string& path) const;
    bool contains(const std::string& path) const;

    // Copies of the text with one change.
    std::string with_value(const FieldLines& field, const std::string& value) const;
    std::string with_line_after(const FieldLines& field, const std::string& line) const;
    std::string with_copy_after(const FieldLines& field) const;
    std::string without(const FieldLines& field) const;

private:
    void index_fields();

    std::vector<std::string> lines_;
    std::vector<FieldLines> fields_;
};

} // namespace gatehouse::config::testing
