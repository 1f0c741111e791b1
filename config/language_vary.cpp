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

// Sorted, each once: the rule is part of keys.
std::vector<std::string> ordered(std::vector<std::string> names) {
    for (std::string& name : names) name = http::lower(name);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
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
        const auto read = read_word_or_member(spot, findings, kWords, "ignore", kAccepted);
        if (!read) return;
        out.vary = {};
        if (read->word) {
            out.vary.ignore_all = *read->word != 0;
        } else if (auto names = read_texts(*read->member, findings, kNominated)) {
            out.vary.ignored = ordered(std::move(*names));
            findings.accept(spot);
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
