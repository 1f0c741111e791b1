// First a walk over the files, then one tree of their trees.
#include "config/include.h"

#include "config/values.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

namespace gatehouse::config {
namespace {

constexpr std::string_view kInclude = "include";
constexpr TextRule kPathRule{"the path of a file"};

// The same for all paths that lead to a file.
std::string identity_of(const std::string& path) {
    std::error_code error;
    std::filesystem::path whole = std::filesystem::absolute(path, error);
    if (!error) whole = std::filesystem::weakly_canonical(whole, error);
    return error ? path : whole.string();
}

class Walk {
public:
    Walk(const Outside& outside, const ParseFile& parse, Findings& findings)
        : outside_(outside), parse_(parse), findings_(findings) {}

    // Adds the files that `tree` includes, then `tree` itself without that.
    void add(const NodePtr& tree, int file) {
        const std::string& name = findings_.file(file);
        chain_.push_back(name);
        seen_.insert(identity_of(name));
        DocumentNode own = *tree;
        own.members.clear();
        const Member* include = nullptr;
        for (const Member& member : tree->members) {
            if (member.key != kInclude) {
                own.members.push_back(member);
            } else if (include != nullptr) {
                findings_.duplicate(member.place, member.key, include->place);
            } else {
                include = &member;
            }
        }
        if (include != nullptr) add_included(*include, name);
        weight_ += tree->weight;
        parts_.push_back(std::make_shared<const DocumentNode>(std::move(own)));
        chain_.pop_back();
    }

    const std::vector<NodePtr>& parts() const { return parts_; }
    std::size_t weight() const { return weight_; }

private:
    void add_included(const Member& include, const std::string& from) {
        const bool is_nothing = include.value->kind == DocumentNode::Kind::Nothing;
        const Spot list{include.value.get(), std::string(kInclude), is_nothing ? include.place : include.value->place};
        const auto names = read_texts(list, findings_, kPathRule);
        if (!names) return;
        const std::vector<Spot> items = item_spots(list);
        for (std::size_t i = 0; i < items.size(); ++i) add_file(items[i], path_beside(from, (*names)[i]));
    }

    void add_file(const Spot& spot, const std::string& path) {
        if (includes_itself(spot, path)) return;
        if (seen_.count(identity_of(path)) != 0) return;
        if (seen_.size() >= kMostFiles) {
            findings_.fail(spot, "a configuration has at most " + std::to_string(kMostFiles) + " files");
            return;
        }
        const FileText text = outside_.file(path);
        if (!text.text) {
            findings_.fail(spot, quote(path) + " " + text.problem);
            return;
        }
        const int file = findings_.add_file(path);
        const NodePtr tree = parse_(*text.text, file);
        if (!tree) {
            seen_.insert(identity_of(path));
        } else if (tree->kind == DocumentNode::Kind::Mapping) {
            add(tree, file);
        } else if (tree->kind != DocumentNode::Kind::Nothing) {
            findings_.problem(tree->place, "", "expected fields such as origins; found " + describe_found(*tree));
        }
    }

    bool includes_itself(const Spot& spot, const std::string& path) {
        const std::string identity = identity_of(path);
        const auto first = std::find_if(chain_.begin(), chain_.end(),
                                        [&identity](const std::string& name) { return identity_of(name) == identity; });
        if (first == chain_.end()) return false;
        std::string way;
        for (auto one = first; one != chain_.end(); ++one) way += *one + " > ";
        findings_.fail(spot, "a file that includes itself: " + way + path);
        return true;
    }

    const Outside& outside_;
    const ParseFile& parse_;
    Findings& findings_;
    std::vector<std::string> chain_; // the files from the first one to this one
    std::set<std::string> seen_;
    std::vector<NodePtr> parts_;
    std::size_t weight_ = 0;
};

// One value for two of the same name, if they can be: blocks and lists.
NodePtr joined(const NodePtr& first, const NodePtr& second) {
    using Kind = DocumentNode::Kind;
    if (first->kind == Kind::Nothing) return second;
    if (second->kind == Kind::Nothing) return first;
    const bool can_be = first->kind == second->kind && (first->kind == Kind::Mapping || first->kind == Kind::List);
    if (!can_be) return nullptr;
    DocumentNode out = *first;
    out.members.insert(out.members.end(), second->members.begin(), second->members.end());
    out.items.insert(out.items.end(), second->items.begin(), second->items.end());
    return std::make_shared<const DocumentNode>(std::move(out));
}

NodePtr merged(const DocumentNode& root, const std::vector<NodePtr>& parts) {
    struct Found {
        std::size_t index; // in the members of the result
        std::size_t part;  // the last one that has it
    };
    DocumentNode out = root;
    out.members.clear();
    std::map<std::string, Found> found;
    for (std::size_t part = 0; part < parts.size(); ++part) {
        for (const Member& member : parts[part]->members) {
            const auto [known, is_new] = found.emplace(member.key, Found{out.members.size(), part});
            const bool is_twice_in_part = !is_new && known->second.part == part;
            NodePtr both =
                is_new || is_twice_in_part ? nullptr : joined(out.members[known->second.index].value, member.value);
            known->second.part = part;
            if (both) {
                out.members[known->second.index].value = std::move(both);
            } else {
                out.members.push_back(member);
            }
        }
    }
    return std::make_shared<const DocumentNode>(std::move(out));
}

} // namespace

NodePtr with_includes(const NodePtr& root, const Outside& outside, const ParseFile& parse, Findings& findings) {
    const bool includes = std::any_of(root->members.begin(), root->members.end(),
                                      [](const Member& member) { return member.key == kInclude; });
    if (!includes) return root;
    Walk walk(outside, parse, findings);
    walk.add(root, 0);
    if (walk.weight() > kMostNodes) {
        findings.problem(root->place, "", "more than " + std::to_string(kMostNodes) + " values in all files together");
    }
    return merged(*root, walk.parts());
}

} // namespace gatehouse::config
