// The page about the language: an introduction, one table for each block, the built-in policies, the warnings.
#include "config/describe.h"

#include "config/description.h"
#include "config/lint.h"

#include <string_view>

namespace gatehouse::config {
namespace {

constexpr std::string_view kIntroduction =
    R"(# Configuration

Gatehouse is configured by a YAML file. This page lists every field; it is generated from the table that loads the
file, so it cannot differ from what is accepted. `gatehouse check FILE...` reports all problems of all files at once,
each with line, column and the place in the line, and ends with status 1 when there is one; a start that is refused
prints the same. A field that is not listed here is an error, and so is a field given twice.

- **Durations** are numbers with units `ms`, `s`, `m`, `h`, `d`, largest first: `250ms`, `10s`, `1.5s`, `1h30m`, `7d`.
  Zero needs no unit.
- **Sizes** are numbers of bytes with `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024) or `KB`, `MB`, `GB`, `TB` (powers of
  1000): `512`, `64KiB`, `1.5GiB`.
- **Booleans** are `true` and `false`; `on` and `off` mean the same.
- **Names** in a selection may end in `*`, which stands for any rest: `utm_*`.
- YAML anchors, aliases and `<<` merges may be used. A file holds one document of at most 4 MiB.
- **Variables** may stand in every value, not in names. `${NAME}` is the environment variable, which must be set;
  `${NAME:-default}` has a default for when it is not set or empty; `${file:PATH}` is the content of a file without its
  last line end, for secrets: no message about the value shows it
  (`explain` and `test` show what would be sent), and a relative path starts at the directory of the YAML file.
  `$${` stands for `${` itself. What is put in is text within that one value, never YAML; within brackets write quotes:
  `{ url: "${URL}" }`.
- A mapping or list with nothing in it counts as empty.
- **`include`** takes further files, which may include others: up to 100, each taken once. They are put together at the
  top: origins, policies and the fields of a block side by side, lists one behind the other with those of included files
  first, so that a behavior for `"*"` in the file that includes comes last. What is given in two files is an error, as
  within one. Anchors end with their file, and relative paths start at the file that they stand in.

`conf/full.yaml` shows every field in place; `conf/minimal.yaml` is the smallest file that works.

Editors with a YAML language server complete the fields, explain them and mark mistakes, from the JSON Schema that
`gatehouse schema` prints and `conf/gatehouse.schema.json` holds. A file names it in a comment at its top, by URL or by
a path relative to itself:

```yaml
# yaml-language-server: $schema=gatehouse.schema.json
```

The schema knows each field by itself. `gatehouse check` also knows what depends on other fields: names of origins and
policies, lifetimes in the wrong order, addresses given twice, files that are not there.
)";

constexpr std::string_view kPolicies = R"(
## Built-in cache policies

| name | what it does |
| --- | --- |
| `RFC9111` | What a behavior without `cache_policy` uses. The origin's own directives decide (RFC 9111); the whole request is forwarded, the whole query is part of the key, and Vary protects the rest. A response with `Set-Cookie` is stored when the origin names a lifetime for it. |
| `CachingDisabled` | Nothing is looked up or stored; the whole request is forwarded. |
| `CachingOptimized`, `CachingOptimizedForUncompressedObjects`, `UseOriginCacheControlHeaders`, `UseOriginCacheControlHeaders-QueryStrings`, `Amplify`, `Elemental-MediaPackage` | CloudFront's, also by `Managed-` and the name, and by id: [FROM_CLOUDFRONT.md](FROM_CLOUDFRONT.md). |

An own policy differs from `RFC9111` in three ways: cookies that are not in its key are removed towards the origin, and
so are query parameters if it narrows `key.query_strings`; and responses with `Set-Cookie` are not stored unless
`set_cookie: honor` says so.

## Built-in origin request policies

CloudFront's managed ones, also by `Managed-` and the name, and by id; [FROM_CLOUDFRONT.md](FROM_CLOUDFRONT.md) says what is
different. The origin gets what the cache policy keys, and beside it:

| name | fields | cookies | query parameters | Host |
| --- | --- | --- | --- | --- |
| `AllViewer`, `AllViewerAndCloudFrontHeaders-2022-06` | all | all | all | the viewer's |
| `AllViewerExceptHostHeader` | all | all | all | the origin's |
| `CORS-CustomOrigin` | `Origin` | none | none | the origin's |
| `CORS-S3Origin` | `Origin`, `Access-Control-Request-Headers`, `Access-Control-Request-Method` | none | none | the origin's |
| `HostHeaderOnly` | none | none | none | the viewer's |
| `UserAgentRefererHeaders` | `User-Agent`, `Referer` | none | none | the origin's |
| `Elemental-MediaTailor-PersonalizedManifests` | those of `CORS-S3Origin`, `User-Agent`, `X-Forwarded-For` | none | all | the origin's |

## Built-in response headers policies

CloudFront's managed ones, under their names; [RESPONSE_HEADERS.md](RESPONSE_HEADERS.md) says what each sends.

| name | what it does |
| --- | --- |
| `SimpleCORS` | `Access-Control-Allow-Origin: *`, where the origin sends no CORS field. |
| `CORS-With-Preflight` | The same, with every method allowed to a preflight, and every field exposed. |
| `SecurityHeadersPolicy` | Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, Referrer-Policy, X-XSS-Protection. |
| `CORS-and-SecurityHeadersPolicy` | `SimpleCORS` and `SecurityHeadersPolicy`. |
| `CORS-with-preflight-and-SecurityHeadersPolicy` | `CORS-With-Preflight` and `SecurityHeadersPolicy`. |
)";

constexpr std::string_view kWarnings = R"(
## Warnings

What is legal and seldom meant is a warning of `gatehouse check`, with its place, what to do about it and the name of
its kind in brackets. A configuration with warnings is used like any other, and a start writes them to the diagnostic
log; with `gatehouse check --deny-warnings` they count as errors.

| name | raised by |
| --- | --- |
)";

std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

bool is_under(const std::string& path, const std::string& parent) {
    return path.size() > parent.size() && path.compare(0, parent.size(), parent) == 0 &&
           (path[parent.size()] == '.' || path[parent.size()] == '[');
}

std::string row(const FieldDescription& field) {
    const std::string default_text = field.required               ? "**required**"
                                     : field.default_text.empty() ? " "
                                                                  : field.default_text;
    return "| `" + field.path + "` | " + field.type + " | " + cell(default_text) + " | " + cell(field.sentence) +
           " | " + cell(field.accepted) + " |\n";
}

constexpr std::string_view kTableHead =
    "| field | type | default | what it does | accepted |\n| --- | --- | --- | --- | --- |\n";

// One section for each block at the top, one more for the fields that stand at the top by themselves.
std::string sections() {
    const std::vector<FieldDescription>& all = field_descriptions();
    std::string alone = "\n## Fields at the top\n\n" + std::string(kTableHead);
    std::string out;
    for (const FieldDescription& field : all) {
        if (field.path.find_first_of(".[") != std::string::npos) continue;
        alone += row(field);
        if (field.shape == FieldShape::Value) continue;
        out += "\n## " + field.path + "\n\n" + field.sentence + "\n\n" + std::string(kTableHead);
        for (const FieldDescription& inner : all) {
            if (is_under(inner.path, field.path)) out += row(inner);
        }
    }
    return alone + out;
}

std::string warnings() {
    std::string out(kWarnings);
    for (const LintRule& rule : lint_rules()) {
        out += "| `" + std::string(rule.name) + "` | " + cell(rule.raised_by) + " |\n";
    }
    return out;
}

} // namespace

std::string FieldDescription::describe() const {
    std::string out = path + ": " + type;
    if (required) out += ", required";
    if (!default_text.empty()) out += ", default " + default_text;
    return out + ". " + sentence + " Accepted: " + accepted + ".";
}

std::string configuration_markdown() {
    return std::string(kIntroduction) + sections() + std::string(kPolicies) + warnings();
}

} // namespace gatehouse::config
