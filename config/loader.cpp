// The only file that knows the YAML library. Its events become our own tree of nodes, within limits on size and
// depth; everything after that works on the tree.
#include "config/loader.h"

#include "config/complete.h"
#include "config/findings.h"
#include "config/include.h"
#include "config/language.h"
#include "config/lint.h"
#include "config/machine_memory.h"
#include "config/text_file.h"
#include "config/units.h"
#include "config/validate.h"
#include "config/variables.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <set>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gatehouse::config {
namespace {

constexpr std::size_t kMostLevels = 32;
constexpr std::size_t kMostReported = 100;

// Ends the parse from within an event: the text is YAML, but none that is accepted here.
struct Refusal {
    Mark place;
    std::string message;
};

bool is_usual_tag(const std::string& tag) {
    return tag.empty() || tag == "?" || tag == "!" || tag.rfind("tag:yaml.org,2002:", 0) == 0;
}

// Builds the tree of the first document from the library's events.
class TreeBuilder final : public YAML::EventHandler {
public:
    TreeBuilder(const SourceText& source, int number, const std::string& file, const Outside* outside)
        : source_(source), number_(number), file_(file), outside_(outside) {}

    NodePtr root() const { return root_; }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ > 0) throw Refusal{place(mark), "a second document begins here; a file holds one"};
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        DocumentNode node;
        node.kind = DocumentNode::Kind::Nothing;
        node.place = place_of_nothing(mark);
        finish(std::move(node), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) throw Refusal{place(mark), "an alias inside the value that it stands for"};
        add(found->second, place(mark));
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        check_tag(mark, tag);
        if (tag == "!") last_quoted_ = offset(mark);
        DocumentNode node;
        node.kind = DocumentNode::Kind::Scalar;
        node.place = place(mark);
        node.scalar = value;
        if (outside_ != nullptr && !expects_key() && has_variables(value)) put_variables(node, mark);
        finish(std::move(node), anchor);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, DocumentNode::Kind::List);
    }
    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, DocumentNode::Kind::Mapping);
    }
    void OnMapEnd() override { close(); }

    // The library takes the end of the file for the end of a quoted text that is still open.
    void check_last_quote() const {
        if (!last_quoted_) return;
        const std::string& text = source_.text();
        const std::size_t start = text.find_first_of("\"'", *last_quoted_);
        if (start == std::string::npos) return;
        const char mark = text[start];
        for (std::size_t i = start + 1; i < text.size(); ++i) {
            if (mark == '"' && text[i] == '\\') {
                ++i;
            } else if (text[i] == mark) {
                if (mark == '"' || i + 1 >= text.size() || text[i + 1] != '\'') return;
                ++i; // '' is a quote within single quotes
            }
        }
        throw Refusal{mark_at(start), std::string("the quote ") + mark + " is never closed"};
    }

private:
    struct Level {
        DocumentNode node;
        YAML::anchor_t anchor = 0;
        NodePtr key; // Mapping: a key whose value comes next
        Mark key_place;
        std::vector<NodePtr> merged; // values of `<<`
    };

    std::size_t offset(const YAML::Mark& mark) const { return static_cast<std::size_t>(std::max(mark.pos, 0)); }
    Mark mark_at(std::size_t offset) const {
        Mark mark = source_.mark_at(offset);
        mark.file = number_;
        return mark;
    }
    Mark place(const YAML::Mark& mark) const { return mark_at(offset(mark)); }

    // Where nothing is written the library names the token that follows, often on the next line; the last character
    // before it is the dash or colon that wants a value.
    Mark place_of_nothing(const YAML::Mark& mark) const {
        const std::string& text = source_.text();
        const std::size_t here = std::min(offset(mark), text.size());
        if (here < text.size() && (text[here] == '~' || text[here] == 'n' || text[here] == 'N')) return place(mark);
        const std::size_t before = here == 0 ? std::string::npos : text.find_last_not_of(" \t\n", here - 1);
        return before == std::string::npos ? place(mark) : mark_at(before);
    }

    // Whether what comes next is the name of a field.
    bool expects_key() const {
        return !levels_.empty() && levels_.back().node.kind == DocumentNode::Kind::Mapping && !levels_.back().key;
    }

    void put_variables(DocumentNode& node, const YAML::Mark& mark) {
        node.written = std::move(node.scalar);
        Expanded expanded = expand_variables(node.written, file_, *outside_);
        node.scalar = std::move(expanded.text);
        node.secret = expanded.secret;
        put_in_ += node.scalar.size();
        if (put_in_ > kLongestFile) {
            throw Refusal{node.place, "variables make the file longer than " + format_size(kLongestFile)};
        }
        if (expanded.problem.empty()) return;
        node.kind = DocumentNode::Kind::Unusable;
        node.scalar = std::move(expanded.problem);
        node.problem_place = place_within(mark, node.written, expanded.problem_at);
    }

    // A place within a value, where the file has it as it is: on one line, with or without quotes.
    Mark place_within(const YAML::Mark& mark, const std::string& value, std::size_t at) const {
        const std::string& text = source_.text();
        for (const std::size_t start : {offset(mark), offset(mark) + 1}) {
            if (start < text.size() && text.compare(start, value.size(), value) == 0) return mark_at(start + at);
        }
        return place(mark);
    }

    void check_tag(const YAML::Mark& mark, const std::string& tag) const {
        if (!is_usual_tag(tag)) throw Refusal{place(mark), "the tag " + quote(tag) + " has no meaning here"};
    }

    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, DocumentNode::Kind kind) {
        check_tag(mark, tag);
        if (levels_.size() >= kMostLevels) {
            throw Refusal{place(mark), "nested deeper than " + std::to_string(kMostLevels) + " levels"};
        }
        Level level;
        level.node.kind = kind;
        level.node.place = place(mark);
        level.anchor = anchor;
        levels_.push_back(std::move(level));
    }

    void close() {
        Level level = std::move(levels_.back());
        levels_.pop_back();
        for (const NodePtr& merged : level.merged) merge(level.node, *merged);
        finish(std::move(level.node), level.anchor);
    }

    // A `<<` brings the members of another mapping that this one does not have itself.
    static void merge(DocumentNode& into, const DocumentNode& from) {
        std::set<std::string> own;
        for (const Member& member : into.members) own.insert(member.key);
        for (const Member& member : from.members) {
            if (own.count(member.key) == 0) into.members.push_back(member);
        }
    }

    void finish(DocumentNode node, YAML::anchor_t anchor) {
        if (++nodes_ > kMostNodes) throw Refusal{node.place, "more than " + std::to_string(kMostNodes) + " values"};
        auto shared = std::make_shared<const DocumentNode>(std::move(node));
        if (anchor != 0) anchors_[anchor] = shared;
        add(shared, shared->place);
    }

    // Hands a finished node to what it is part of.
    void add(const NodePtr& node, Mark place) {
        if (levels_.empty()) {
            root_ = node;
            return;
        }
        Level& parent = levels_.back();
        grow(parent.node, *node, place);
        if (parent.node.kind == DocumentNode::Kind::List) {
            parent.node.items.push_back(node);
        } else if (!parent.key) {
            if (node->kind != DocumentNode::Kind::Scalar) throw Refusal{place, "a field's name must be plain text"};
            parent.key = node;
            parent.key_place = place;
        } else {
            add_member(parent, node, place);
        }
    }

    static void grow(DocumentNode& parent, const DocumentNode& child, Mark place) {
        parent.weight += child.weight;
        parent.height = std::max(parent.height, child.height + 1);
        if (parent.weight > kMostNodes) {
            throw Refusal{place, "aliases make this more than " + std::to_string(kMostNodes) + " values"};
        }
        if (parent.height > kMostLevels) {
            throw Refusal{place, "nested deeper than " + std::to_string(kMostLevels) + " levels"};
        }
    }

    static void add_member(Level& parent, const NodePtr& value, Mark place) {
        const std::string& key = parent.key->scalar;
        if (key != "<<") {
            parent.node.members.push_back({key, parent.key_place, value});
        } else if (value->kind == DocumentNode::Kind::Mapping) {
            parent.merged.push_back(value);
        } else if (value->kind == DocumentNode::Kind::List && all_mappings(*value)) {
            parent.merged.insert(parent.merged.end(), value->items.begin(), value->items.end());
        } else {
            throw Refusal{place, "`<<` merges a mapping or a list of mappings; found " + describe_found(*value)};
        }
        parent.key.reset();
    }

    static bool all_mappings(const DocumentNode& list) {
        return std::all_of(list.items.begin(), list.items.end(),
                           [](const NodePtr& item) { return item->kind == DocumentNode::Kind::Mapping; });
    }

    const SourceText& source_;
    int number_; // of the file
    const std::string& file_;
    const Outside* outside_; // null: variables stay as they are written
    NodePtr root_;
    std::vector<Level> levels_;
    std::unordered_map<YAML::anchor_t, NodePtr> anchors_;
    std::optional<std::size_t> last_quoted_;
    std::size_t nodes_ = 0;
    std::size_t put_in_ = 0; // bytes of values with variables
    int documents_ = 0;
};

struct SyntaxError {
    Mark place;
    std::string text;
};

// The library's terse messages in words that say what to do. The first match counts.
std::string explain_message(const std::string& message, std::string_view line, Mark place) {
    struct Row {
        const char* part;
        const char* text;
    };
    static constexpr Row kRows[] = {
        {"alias not found after *", "`*` begins an alias; a pattern that starts with it must be quoted: \"*\""},
        {"anchor is not defined", "this alias has no anchor; a pattern that starts with `*` must be quoted: \"*.jpg\""},
        {"illegal map value", "`:` may not stand here; is a line indented too far, or does a value need quotes?"},
        {"end of map flow not found", "a `,` or the closing `}` is missing before this"},
        {"end of sequence flow not found", "a `,` or the closing `]` is missing before this"},
        {"illegal flow end", "nothing is open that this bracket could close"},
        {"illegal block entry", "`-` may not begin a list here"},
        {"illegal map key", "a field may not begin here"},
        {"unknown token", "no value may begin with this character; put the value in quotes"},
    };
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent != std::string::npos && line[indent] == '\t') return "tabs cannot indent YAML; use spaces";
    for (const Row& row : kRows) {
        if (message.find(row.part) != std::string::npos) return row.text;
    }
    if (message == "end of map not found" || message == "end of sequence not found") {
        // The same words for two mistakes: a line at no known level, and more text where a value has ended.
        const bool begins_line = indent != std::string::npos && static_cast<int>(indent) + 1 == place.column;
        return begins_line ? "this line fits no level of indentation above it"
                           : "nothing may follow here; does a value need quotes?";
    }
    return message;
}

SyntaxError explain(const YAML::Exception& error, const SourceText& source) {
    auto offset = static_cast<std::size_t>(std::max(error.mark.pos, 0));
    const std::string& text = source.text();
    // The library names the place after a lone star, and after the `$` of a variable; that is what is wrong.
    const bool is_variable = offset > 0 && offset < text.size() && text[offset - 1] == '$' && text[offset] == '{';
    const bool is_alias = offset > 0 && error.msg.find("alias not found") != std::string::npos;
    if (is_variable || is_alias) --offset;
    const Mark place = source.mark_at(offset);
    if (is_variable && error.msg.find("flow not found") != std::string::npos) {
        return {place, "within brackets a value with `${` must be quoted: \"${NAME}\""};
    }
    return {place, explain_message(error.msg, source.line(place.line), place)};
}

// The tree, or null after a problem was added.
NodePtr parse_tree(const SourceText& source, int number, const Outside* outside, Findings& findings) {
    const std::string file = findings.file(number);
    TreeBuilder builder(source, number, file, outside);
    const auto refuse = [&findings, number](Mark place, std::string message) {
        place.file = number;
        findings.problem(place, "", std::move(message));
        return nullptr;
    };
    try {
        std::istringstream in(source.text());
        YAML::Parser parser(in);
        while (parser.HandleNextDocument(builder)) {}
        builder.check_last_quote();
        return builder.root();
    } catch (const Refusal& refusal) {
        return refuse(refusal.place, refusal.message);
    } catch (const YAML::Exception& error) {
        SyntaxError found = explain(error, source);
        return refuse(found.place, "bad YAML: " + found.text);
    } catch (const std::exception& error) {
        return refuse(Mark{}, std::string("bad YAML: ") + error.what());
    }
}

// Whether the text is worth parsing; a problem when not.
bool check_text(const SourceText& source, int number, Findings& findings) {
    Mark start;
    start.file = number;
    if (source.text().size() > kLongestFile) {
        findings.problem(start, "", "the file is longer than 4MiB");
        return false;
    }
    if (const auto offset = source.first_binary_byte()) {
        start = source.mark_at(*offset);
        start.file = number;
        findings.problem(start, "", "the file is not UTF-8 text");
        return false;
    }
    return true;
}

bool check_root(const NodePtr& root, Findings& findings) {
    if (!root || root->kind == DocumentNode::Kind::Nothing) {
        findings.problem(Mark{}, "", "the file is empty; a configuration needs listeners, origins and behaviors");
        return false;
    }
    if (root->kind == DocumentNode::Kind::Mapping) return true;
    findings.problem(root->place, "",
                     "expected fields such as listeners, origins and behaviors; found " + describe_found(*root));
    return false;
}

// One load: the files that take part, what was found in them, and what is made of them.
class Load {
public:
    Load(const std::string& file, const Outside& outside) : findings_(file), files_{file} {
        outside_.variable = outside.variable;
        outside_.file = [this, &outside](const std::string& path) {
            if (std::find(files_.begin(), files_.end(), path) == files_.end()) files_.push_back(path);
            return outside.file(path);
        };
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    LoadResult run(std::string_view text) {
        auto config = std::make_shared<Config>();
        config->file = findings_.file(0);
        if (const NodePtr root = tree(text)) read_config(*root, *config);
        for (const auto& [path, mark] : findings_.places()) config->places[path] = findings_.place(mark);
        LoadResult result;
        result.files = files_;
        add_problems(result);
        for (const Finding& finding : first(warnings_.sorted())) {
            result.warnings.push_back(to_problem(finding));
            result.warnings.back().severity = Severity::Warning;
        }
        if (result.problems.empty()) result.config = std::move(config);
        return result;
    }

private:
    // The text of file `number`, an empty tree as a node of Nothing.
    NodePtr parse(std::string_view text, int number) {
        const SourceText& source = sources_.emplace_back(text);
        if (!check_text(source, number, findings_)) return nullptr;
        const std::size_t before = findings_.size();
        NodePtr root = parse_tree(source, number, &outside_, findings_);
        if (root || findings_.size() != before) return root;
        return std::make_shared<const DocumentNode>();
    }

    // The whole configuration; null when there is something wrong with it already.
    NodePtr tree(std::string_view text) {
        const NodePtr root = parse(text, 0);
        if (!root || !check_root(root, findings_)) return nullptr;
        const ParseFile parse_file = [this](std::string_view more, int number) { return parse(more, number); };
        NodePtr whole = with_includes(root, outside_, parse_file, findings_);
        return findings_.empty() ? whole : nullptr;
    }

    void read_config(const DocumentNode& root, Config& config) {
        read_record(root_spot(root), findings_, language(), config);
        complete(config, findings_, available_memory(MemorySources()).value_or(0));
        validate(config, findings_, Surroundings{is_readable_file});
        if (!findings_.empty()) return;
        resolve_references(config);
        lint(config, findings_, warnings_);
    }

    Problem to_problem(const Finding& finding) const {
        Problem out;
        out.place = findings_.place(finding.place);
        out.path = finding.path;
        out.message = finding.message;
        Excerpt excerpt = sources_[static_cast<std::size_t>(finding.place.file)].excerpt(finding.place);
        out.source = std::move(excerpt.text);
        out.shift = excerpt.shift;
        return out;
    }

    static std::vector<Finding> first(std::vector<Finding> findings) {
        if (findings.size() > kMostReported) findings.resize(kMostReported);
        return findings;
    }

    void add_problems(LoadResult& result) const {
        for (const Finding& finding : first(findings_.sorted())) result.problems.push_back(to_problem(finding));
        result.more_problems = findings_.size() > kMostReported;
        if (!result.more_problems) return;
        result.problems.push_back(
            {{findings_.file(0), 0, 0}, "", "there are more problems; these are the first 100", ""});
    }

    Outside outside_;
    std::deque<SourceText> sources_; // by the number of the file
    Findings findings_;
    std::vector<std::string> files_; // that were asked for
    Findings warnings_;
};

} // namespace

NodePtr load_tree(std::string_view text) {
    const SourceText source(text);
    Findings findings;
    return check_text(source, 0, findings) ? parse_tree(source, 0, nullptr, findings) : nullptr;
}

LoadResult load_text(std::string_view text, const std::string& file, const Outside& outside) {
    return Load(file, outside).run(text);
}

LoadResult load_file(const std::string& path, const Outside& outside) {
    FileText file = outside.file(path);
    if (file.text) return load_text(*file.text, path, outside);
    LoadResult result;
    result.files.push_back(path);
    result.problems.push_back({{path, 0, 0}, "", std::move(file.problem), ""});
    return result;
}

} // namespace gatehouse::config
