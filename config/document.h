// A YAML document as a plain tree that knows where everything stands. The loader makes it; all other code of this
// folder reads configuration from here and never sees a type of the YAML library.
//
// Nodes are immutable and shared: an alias points to the very node of its anchor. Depth and total size, aliases
// counted as often as they are used, are bounded when the tree is made, so that readers need no limits of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

// A place in the text: 1-based line and column, the column counted in characters.
struct Mark {
    int line = 1;
    int column = 1;
    int file = 0; // which one of those that are read (Findings::file)
};

// LIMIT: far above every real configuration, far below what a hostile one needs to hurt. It counts an alias as often as
// it is used, which is what makes an alias bomb harmless.
inline constexpr std::size_t kMostNodes = 200'000;

struct DocumentNode;
using NodePtr = std::shared_ptr<const DocumentNode>;

struct Member {
    std::string key;
    Mark place; // of the key
    NodePtr value;
};

struct DocumentNode {
    // Unusable: a value with a variable that stands for nothing.
    enum class Kind : std::uint8_t { Nothing, Scalar, List, Mapping, Unusable };
    Kind kind = Kind::Nothing;
    Mark place;
    std::string scalar;          // Scalar; Unusable: what is wrong, and problem_place where
    std::string written;         // Scalar with variables, Unusable: the value before they were put in
    bool secret = false;         // Scalar: messages may not show it
    Mark problem_place;          // Unusable
    std::vector<NodePtr> items;  // List
    std::vector<Member> members; // Mapping: in the order of the file, keys given twice included
    std::size_t weight = 1;      // nodes in this subtree, a shared one counted each time
    std::size_t height = 1;      // levels in this subtree
};

// What was found, for messages: "`abc`" shortened and with control characters escaped, "`abc` from `${NAME}`", "a
// list", "a mapping", "nothing".
std::string describe_found(const DocumentNode& node);
// "`abc`": at most 60 bytes of the text, never a control character.
std::string quote(std::string_view text);

} // namespace gatehouse::config
