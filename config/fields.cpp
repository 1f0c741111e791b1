// The part of reading mappings that does not depend on what they are read into.
#include "config/fields.h"

namespace gatehouse::config {

void MemberCheck::unknown(const MemberSpot& member, Findings& findings) {
    if (findings.full()) return;
    std::vector<std::string> names;
    names.reserve(fields_.size());
    for (const FieldDescription* field : fields_) names.push_back(field->path);
    // A field that was mistyped is not missing as well.
    if (auto meant = closest(member.key, names)) present_.push_back(std::move(*meant));
    findings.problem(member.key_place, member.value.path,
                     "unknown field" + did_you_mean(member.key, names, "; accepted here: "));
}

void MemberCheck::finish(const Spot& spot, Findings& findings) const {
    for (const FieldDescription* field : fields_) {
        if (!field->required) continue;
        if (std::find(present_.begin(), present_.end(), field->path) != present_.end()) continue;
        std::string message = "missing required field " + field->path;
        if (field->shape == FieldShape::Value) message += ", " + field->accepted;
        findings.problem(spot.place, spot.path, std::move(message));
    }
}

bool MemberCheck::expect_mapping_of_them(const Spot& spot, Findings& findings) const {
    constexpr std::size_t kExamples = 3;
    std::vector<std::string> names;
    for (const FieldDescription* field : fields_) {
        if (field->required) names.push_back(field->path);
    }
    if (!names.empty()) return expect_mapping(spot, findings, "a mapping with " + join(names));
    for (std::size_t i = 0; i < std::min(kExamples, fields_.size()); ++i) names.push_back(fields_[i]->path);
    return expect_mapping(spot, findings, "a mapping of fields such as " + join(names));
}

bool expect_mapping(const Spot& spot, Findings& findings, std::string_view expected) {
    const DocumentNode::Kind kind = spot.node->kind;
    if (kind == DocumentNode::Kind::Mapping || kind == DocumentNode::Kind::Nothing) return true;
    findings.expected(spot, expected);
    return false;
}

bool expect_list(const Spot& spot, Findings& findings, std::string_view expected) {
    const DocumentNode::Kind kind = spot.node->kind;
    if (kind == DocumentNode::Kind::List || kind == DocumentNode::Kind::Nothing) return true;
    findings.expected(spot, expected);
    return false;
}

} // namespace gatehouse::config
