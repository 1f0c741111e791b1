// The top of the language.
#include "config/language.h"

#include "config/address.h"

namespace gatehouse::config {
namespace {

constexpr unsigned kMostWorkers = 1024;

Field<Config> include_field() {
    Field<Config> field;
    field.description = {"include", "list", "[]",
                         "Further files with the same fields. Blocks of one name are put together, lists one behind "
                         "the other, those of included files first. A relative path starts at the directory of this "
                         "file.",
                         "a list, each item the path of a file"};
    field.description.form.kind = ValueForm::Kind::Texts;
    // include.h takes it out of the tree before it is read.
    field.read = [](const Spot& spot, Findings& findings, Config&) { findings.accept(spot); };
    return field;
}

Field<Config> workers_field() {
    Field<Config> field;
    field.description = {"workers", "whole number or auto", "auto",
                         "How many threads serve requests; auto is as many as the cgroup grants processors.",
                         "auto, or 1 to 1024"};
    field.description.form.kind = ValueForm::Kind::Number;
    field.description.form.words = {"auto"};
    field.description.form.min = 1;
    field.description.form.max = kMostWorkers;
    field.read = [](const Spot& spot, Findings& findings, Config& out) {
        if (spot.node->kind == DocumentNode::Kind::Scalar && spot.node->scalar == "auto") {
            findings.accept(spot);
            return;
        }
        if (const auto value = read_count(spot, findings, {1, kMostWorkers})) {
            out.workers = static_cast<unsigned>(*value);
        }
    };
    return field;
}

// `access_log: off` says the same as `access_log: {enabled: false}`.
Field<Config> access_log_field() {
    Field<Config> field = mapping<Config>({"access_log", "One JSON line for each request; `off` writes none."},
                                          &Config::access_log, access_log_fields());
    field.description.accepted = "the fields below, or off";
    field.description.form.words = {"off", "false"};
    field.read = [](const Spot& spot, Findings& findings, Config& out) {
        if (spot.node->kind == DocumentNode::Kind::Scalar &&
            (spot.node->scalar == "off" || spot.node->scalar == "false")) {
            out.access_log.enabled = false;
            findings.accept(spot);
            return;
        }
        if (!expect_mapping(spot, findings, "a mapping, or off")) return;
        read_record(spot, findings, access_log_fields(), out.access_log);
    };
    return field;
}

} // namespace

bool is_network(std::string_view text) { return parse_cidr(text).has_value(); }

std::string plain_network(const std::string& text) { return parse_cidr(text).value_or(text); }

const Record<Config>& language() {
    static const Record<Config> kFields{
        include_field(),
        required(
            list_of_mappings<Config>({"listeners", "Where clients connect."}, &Config::listeners, listener_fields())),
        mapping<Config>({"admin", "The listener for operators."}, &Config::admin, admin_fields()),
        workers_field(),
        mapping<Config>({"cache", "Where responses are stored."}, &Config::cache, cache_fields()),
        required(named_mappings<Config>({"origins", "The servers that answer what the cache cannot."}, &Config::origins,
                                        origin_fields())),
        named_mappings<Config>({"cache_policies", "Rules for what is stored, for how long and under which key. "
                                                  "RFC9111, CachingDisabled and CloudFront's managed ones are "
                                                  "built in."},
                               &Config::cache_policies, cache_policy_fields()),
        named_mappings<Config>({"origin_request_policies", "What origins get of a request, for behaviors that name it. "
                                                           "CloudFront's managed ones are built in under their names."},
                               &Config::origin_request_policies, origin_request_policy_fields()),
        named_mappings<Config>({"response_headers_policies", "Rules for the fields that clients get. CloudFront's "
                                                             "managed ones are built in under their names."},
                               &Config::response_headers_policies, response_headers_policy_fields()),
        required(list_of_mappings<Config>({"behaviors", "Which origin and policy each request gets: the first "
                                                        "behavior whose pattern matches its path."},
                                          &Config::behaviors, behavior_fields())),
        list_of_mappings<Config>({"tests", "Tests of these rules, which `gatehouse test` runs."}, &Config::tests,
                                 test_fields()),
        networks<Config>(
            {"trusted_proxies", "Networks whose X-Forwarded-* and Forwarded fields are appended to; those of all "
                                "other clients are overwritten."},
            &Config::trusted_proxies),
        mapping<Config>({"dns", "How the names of origins are resolved."}, &Config::dns, dns_fields()),
        mapping<Config>({"limits", "The most of everything that a client or an origin could send too much of."},
                        &Config::limits, limit_fields()),
        mapping<Config>({"timeouts", "How long each wait on the client's side may last."}, &Config::timeouts,
                        timeout_fields()),
        duration<Config>({"shutdown_timeout", "The same as timeouts.shutdown; give one of the two."},
                         at(&Config::timeouts, &Timeouts::shutdown), kOptionalWait),
        access_log_field(),
    };
    return kFields;
}

const std::vector<FieldDescription>& field_descriptions() {
    static const std::vector<FieldDescription> kDescriptions = flatten(language(), "");
    return kDescriptions;
}

} // namespace gatehouse::config
