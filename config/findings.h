// What reading a document has found so far: the problems, and where each field stands that was read without one.
//
// A field is in one of three states, which is how one mistake makes one problem and not three: accepted (its place is
// known), failed (a problem has been reported, so nothing that depends on it is checked), or absent.
#pragma once

#include "config/config.h"
#include "config/document.h"

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::config {

struct Finding {
    Mark place;
    std::string path;
    std::string message;
};

// A value, the path that leads to it, and the place that messages about it point at.
struct Spot {
    const DocumentNode* node = nullptr; // never null; belongs to the document
    std::string path;
    Mark place;
};

struct MemberSpot {
    std::string key;
    Mark key_place;
    Spot value;
};

class Findings {
public:
    // `file`: the name of the first file, for places.
    explicit Findings(std::string file = {}) { add_file(std::move(file)); }

    // A further file, and its number for marks.
    int add_file(std::string name);
    const std::string& file(int number) const { return files_[static_cast<std::size_t>(number)]; }
    SourcePlace place(Mark mark) const { return {file(mark.file), mark.line, mark.column}; }
    Mark mark(const SourcePlace& place) const;
    // "line 4"; "line 4 of other.yaml" for who reads `here` in another file.
    std::string line_text(Mark there, Mark here) const;

    void problem(Mark place, std::string path, std::string message);
    // A problem with the value at `spot`, which counts as failed from now on.
    void fail(const Spot& spot, std::string message);
    // A key that was given before.
    void duplicate(Mark place, std::string path, Mark first);
    // "expected <what>; found <what is there><hint>"; of a value whose variable stands for nothing, that instead.
    void expected(const Spot& spot, std::string_view what, std::string_view hint = {});
    void accept(const Spot& spot);

    // The place of an accepted field.
    std::optional<Mark> place_of(const std::string& path) const;
    const std::map<std::string, Mark>& places() const noexcept { return accepted_; }
    bool failed(const std::string& path) const { return failed_.count(path) != 0; }
    // Or anything in it.
    bool failed_within(const std::string& path) const {
        const auto next = failed_.lower_bound(path);
        return next != failed_.end() && next->compare(0, path.size(), path) == 0;
    }
    bool empty() const noexcept { return problems_.empty(); }
    std::size_t size() const noexcept { return problems_.size(); }
    // Whether there are so many problems that more are not taken; then none needs a costly message.
    bool full() const noexcept;
    // In the order of the files; two at one place stay in the order they were found.
    std::vector<Finding> sorted() const;

private:
    std::deque<std::string> files_; // names that others hold references to stay where they are
    std::vector<Finding> problems_;
    std::map<std::string, Mark> accepted_;
    std::set<std::string> failed_;
};

// The root of a document.
Spot root_spot(const DocumentNode& root);
// The members of a mapping, each key once; a key given again is a problem, and its first value counts.
// Requires: spot.node is a mapping, or nothing, which has no members.
std::vector<MemberSpot> unique_members(const Spot& spot, Findings& findings);
// The items of a list. Requires: spot.node is a list, or nothing.
std::vector<Spot> item_spots(const Spot& spot);
// A key as it stands in a path: itself, or quoted when it is not a plain word.
std::string printable_key(std::string_view key);

} // namespace gatehouse::config
