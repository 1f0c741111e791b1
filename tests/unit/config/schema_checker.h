// As much of JSON Schema as gatehouse.schema.json uses, for tests that hold YAML against it. It shares no code with
// the loader or with what makes the schema.
#pragma once

#include "config/document.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::config::testing {

class SchemaChecker {
public:
    explicit SchemaChecker(boost::json::value schema) : schema_(std::move(schema)) {}

    // What does not fit, as "path: keyword"; empty when all does. A keyword the checker does not know does not fit.
    std::vector<std::string> check(const DocumentNode& document) const;

private:
    using Value = boost::json::value;

    void check(const Value& schema, const DocumentNode& node, const std::string& path,
               std::vector<std::string>& wrong) const;
    bool fits(const Value& schema, const DocumentNode& node) const;
    bool obeys(std::string_view keyword, const Value& rule, const DocumentNode& node) const;
    void check_below(const boost::json::object& schema, const DocumentNode& node, const std::string& path,
                     std::vector<std::string>& wrong) const;

    Value schema_;
};

} // namespace gatehouse::config::testing
