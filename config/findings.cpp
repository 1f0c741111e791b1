// Problems and places, and walking the tree with the path in hand.
#include "config/findings.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace gatehouse::config {
namespace {

// A file with more mistakes than this is not a configuration; what it costs to report them stays bounded.
constexpr std::size_t kMostProblems = 200;

bool is_plain(char c) noexcept {
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return alphanumeric || c == '_' || c == '-' || c == '.';
}

std::string child_path(const std::string& parent, std::string_view key) {
    if (parent.empty()) return printable_key(key);
    return parent + "." + printable_key(key);
}

} // namespace

int Findings::add_file(std::string name) {
    files_.push_back(std::move(name));
    return static_cast<int>(files_.size()) - 1;
}

Mark Findings::mark(const SourcePlace& place) const {
    const auto found = std::find(files_.begin(), files_.end(), place.file);
    return {place.line, place.column, found == files_.end() ? 0 : static_cast<int>(found - files_.begin())};
}

std::string Findings::line_text(Mark there, Mark here) const {
    const std::string line = "line " + std::to_string(there.line);
    return there.file == here.file ? line : line + " of " + file(there.file);
}

bool Findings::full() const noexcept { return problems_.size() >= kMostProblems; }

void Findings::problem(Mark place, std::string path, std::string message) {
    if (!full()) problems_.push_back({place, std::move(path), std::move(message)});
}

void Findings::fail(const Spot& spot, std::string message) {
    failed_.insert(spot.path);
    problem(spot.place, spot.path, std::move(message));
}

void Findings::duplicate(Mark place, std::string path, Mark first) {
    problem(place, std::move(path), "duplicate field; it is already given on " + line_text(first, place));
}

void Findings::expected(const Spot& spot, std::string_view what, std::string_view hint) {
    if (spot.node->kind == DocumentNode::Kind::Unusable) {
        failed_.insert(spot.path);
        problem(spot.node->problem_place, spot.path, spot.node->scalar);
        return;
    }
    std::string message = "expected ";
    message += what;
    message += "; found " + describe_found(*spot.node);
    if (!spot.node->secret) message += hint;
    fail(spot, std::move(message));
}

void Findings::accept(const Spot& spot) { accepted_.emplace(spot.path, spot.place); }

std::optional<Mark> Findings::place_of(const std::string& path) const {
    const auto found = accepted_.find(path);
    if (found == accepted_.end()) return std::nullopt;
    return found->second;
}

std::vector<Finding> Findings::sorted() const {
    std::vector<Finding> out = problems_;
    std::stable_sort(out.begin(), out.end(), [](const Finding& a, const Finding& b) {
        return std::tie(a.place.file, a.place.line, a.place.column) <
               std::tie(b.place.file, b.place.line, b.place.column);
    });
    return out;
}

Spot root_spot(const DocumentNode& root) { return {&root, "", root.place}; }

std::vector<MemberSpot> unique_members(const Spot& spot, Findings& findings) {
    std::vector<MemberSpot> out;
    std::map<std::string_view, Mark> seen;
    for (const Member& member : spot.node->members) {
        std::string path = child_path(spot.path, member.key);
        const auto [first, is_new] = seen.emplace(member.key, member.place);
        if (!is_new) {
            findings.duplicate(member.place, std::move(path), first->second);
            continue;
        }
        // A value that is not there has no place of its own that would help a reader.
        const bool nothing = member.value->kind == DocumentNode::Kind::Nothing;
        const Mark place = nothing ? member.place : member.value->place;
        out.push_back({member.key, member.place, {member.value.get(), std::move(path), place}});
    }
    return out;
}

std::vector<Spot> item_spots(const Spot& spot) {
    std::vector<Spot> out;
    out.reserve(spot.node->items.size());
    for (const NodePtr& item : spot.node->items) {
        out.push_back({item.get(), spot.path + "[" + std::to_string(out.size()) + "]", item->place});
    }
    return out;
}

std::string printable_key(std::string_view key) {
    const bool plain = !key.empty() && key.size() <= 60 && std::all_of(key.begin(), key.end(), is_plain);
    return plain ? std::string(key) : quote(key);
}

} // namespace gatehouse::config
