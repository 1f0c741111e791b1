// The fields of a behavior and of a cache policy that say what clients get to see of a response, and which of the
// origin's prohibitions are taken back.
#include "config/language.h"

namespace gatehouse::config {
namespace {

struct OverrideWord {
    std::string_view word;
    bool Overrides::*flag;
};
constexpr OverrideWord kOverrides[] = {{"no-store", &Overrides::no_store},
                                       {"private", &Overrides::is_private},
                                       {"no-cache", &Overrides::no_cache},
                                       {"set-cookie", &Overrides::set_cookie},
                                       {"authorization", &Overrides::authorization}};

const OverrideWord* find_override(std::string_view word) {
    const auto* found = std::find_if(std::begin(kOverrides), std::end(kOverrides),
                                     [word](const OverrideWord& known) { return known.word == word; });
    return found == std::end(kOverrides) ? nullptr : found;
}

} // namespace

Field<CachePolicy> override_field() {
    static constexpr TextRule kWord{"no-store, private, no-cache, set-cookie or authorization",
                                    [](std::string_view word) { return find_override(word) != nullptr; }};
    Field<CachePolicy> field;
    field.description = {"override", "list", "[]",
                         "Which prohibitions are not obeyed, named one by one: these directives of the response, its "
                         "Set-Cookie, and the request's Authorization. What was meant for one client is then shared "
                         "with all.",
                         "a list, each item " + std::string(kWord.expected)};
    field.description.form.kind = ValueForm::Kind::Texts;
    field.description.form.pattern = "^(no-store|private|no-cache|set-cookie|authorization)$";
    field.read = [](const Spot& spot, Findings& findings, CachePolicy& out) {
        const auto words = read_texts(spot, findings, kWord);
        if (!words) return;
        for (const std::string& word : *words) out.overrides.*(find_override(word)->flag) = true;
    };
    return field;
}

} // namespace gatehouse::config
