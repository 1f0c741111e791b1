// The fields of a cache policy that say what of Vary and of No-Vary-Search counts.
#include "config/language.h"

#include "http/ascii.h"

#include <algorithm>

namespace gatehouse::config {
namespace {

// `*` nominates no field; what it says is never ignored.
bool is_nominated(std::string_view text) { return http::is_token(text) && text != "*"; }

constexpr TextRule kNominated{"a field name such as User-Agent", is_nominated, "^(?!\\*$)[A-Za-z0-9!#$%&'*+.^_`|~-]+$"};
constexpr std::string_view kAccepted = "honor, ignore or {ignore: [field names]}";

void read_word(const Spot& spot, const std::vector<std::string>& words, Findings& findings, VaryRule& out) {
    const auto word = std::find(words.begin(), words.end(), spot.node->scalar);
    if (word == words.end()) {
        const auto meant = closest(spot.node->scalar, words);
        findings.expected(spot, kAccepted, meant ? "; did you mean " + *meant + "?" : "");
        return;
    }
    out = {};
    out.ignore_all = word != words.begin();
    findings.accept(spot);
}

// Sorted, each once: the rule is part of keys.
void read_names(const Spot& spot, Findings& findings, VaryRule& out) {
    const std::vector<MemberSpot> members = unique_members(spot, findings);
    if (members.size() != 1 || members.front().key != "ignore") {
        findings.expected(spot, kAccepted);
        return;
    }
    const auto names = read_texts(members.front().value, findings, kNominated);
    if (!names) return;
    out = {};
    for (const std::string& name : *names) out.ignored.push_back(http::lower(name));
    std::sort(out.ignored.begin(), out.ignored.end());
    out.ignored.erase(std::unique(out.ignored.begin(), out.ignored.end()), out.ignored.end());
    findings.accept(spot);
}

} // namespace

Field<CachePolicy> vary_field() {
    static const std::vector<std::string> kWords{"honor", "ignore"};
    Field<CachePolicy> field;
    field.description = {
        "vary", "word or ignored names", "honor",
        "Which names of the origin's Vary tell stored responses apart: all, none, or all but those of "
        "`ignore`, of which the variant that came first then goes to everybody. Clients see Vary as the "
        "origin sent it, and `Vary: *` always counts.",
        std::string(kAccepted)};
    field.description.form.kind = ValueForm::Kind::IgnoredNames;
    field.description.form.words = kWords;
    field.description.form.pattern = kNominated.pattern;
    field.read = [](const Spot& spot, Findings& findings, CachePolicy& out) {
        switch (spot.node->kind) {
        case DocumentNode::Kind::Scalar: read_word(spot, kWords, findings, out.vary); break;
        case DocumentNode::Kind::Mapping: read_names(spot, findings, out.vary); break;
        default: findings.expected(spot, kAccepted); break;
        }
    };
    return field;
}

Field<CachePolicy> no_vary_search_field() {
    return choice<CachePolicy>(
        {"no_vary_search",
         "Whether No-Vary-Search of the origin makes queries equal: one stored response then answers all "
         "that differ only in what it says means nothing. The origin gets them as they were sent."},
        &CachePolicy::no_vary_search, std::vector<std::pair<std::string, bool>>{{"honor", true}, {"ignore", false}});
}

} // namespace gatehouse::config
