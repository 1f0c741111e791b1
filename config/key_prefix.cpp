#include "config/key_prefix.h"

namespace gatehouse::config {

namespace {

constexpr char kEnd = '\n'; // of each part of a key

// Which names of Vary are ignored: what is stored under one rule knows nothing of the variants of another. Nothing for
// the default.
void append_vary_rule(const VaryRule& rule, std::string& out) {
    if (!rule.any()) {
        return;
    }
    out += "(vary:";
    if (rule.ignore_all) {
        out += '*';
    }
    const char* separator = "";
    for (const std::string& name : rule.ignored) {
        out.append(separator).append(name);
        separator = ",";
    }
    out += ')';
}

// Each behavior has its own stored responses, by its pattern and conditions, unless it shares them. Neither a pattern
// nor a name holds a '|', and no name a parenthesis.
void append_rule_set(const Behavior& behavior, std::string& out) {
    out += behavior.policy_ref->name;
    append_vary_rule(behavior.policy_ref->vary, out);
    out += '|';
    if (!behavior.share.empty()) {
        out.append(1, '|').append(behavior.share);
    } else {
        out.append(behavior.path_pattern);
        if (!behavior.when_text.empty()) {
            out.append(1, '|').append(behavior.when_text);
        }
    }
    out += kEnd;
}

} // namespace

std::string key_prefix_of(const Behavior& behavior) {
    std::string prefix;
    append_rule_set(behavior, prefix);
    return prefix += behavior.origin;
}

} // namespace gatehouse::config
