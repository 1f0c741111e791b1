// An explanation as text, as JSON, and back from JSON.
#include "proxy/explain.h"

#include "proxy/json_text.h"
#include "proxy/printable_text.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <string_view>
#include <utility>

namespace gatehouse::proxy {

namespace {

namespace json = boost::json;

constexpr std::size_t kTitleColumns = 11;

std::optional<std::string> text_member(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    const json::string* text = value == nullptr ? nullptr : value->if_string();
    return text == nullptr ? std::nullopt : std::optional(std::string(*text));
}

std::optional<ExplainedStep> step_of(const json::value& value) {
    const json::object* object = value.if_object();
    auto text = object == nullptr ? std::nullopt : text_member(*object, "text");
    if (!text) {
        return std::nullopt;
    }
    ExplainedStep step{*std::move(text), std::nullopt};
    const json::value* line = object->if_contains("line");
    if (auto file = text_member(*object, "file"); file && line != nullptr && line->is_int64()) {
        step.place.emplace();
        step.place->file = *std::move(file);
        step.place->line = static_cast<int>(line->get_int64());
    }
    return step;
}

std::optional<ExplainedDecision> decision_of(const json::value& value) {
    const json::object* object = value.if_object();
    if (object == nullptr) {
        return std::nullopt;
    }
    auto title = text_member(*object, "decision");
    auto answer = text_member(*object, "answer");
    const json::value* steps = object->if_contains("steps");
    if (!title || !answer || steps == nullptr || !steps->is_array()) {
        return std::nullopt;
    }
    ExplainedDecision decision{*std::move(title), *std::move(answer), {}};
    for (const json::value& one : steps->get_array()) {
        auto step = step_of(one);
        if (!step) {
            return std::nullopt;
        }
        decision.steps.push_back(*std::move(step));
    }
    return decision;
}

} // namespace

std::string explanation_text(const Explanation& explanation) {
    std::string out;
    for (const ExplainedDecision& decision : explanation.decisions) {
        std::string title = printable(decision.title);
        title.resize(std::max(kTitleColumns, title.size() + 1), ' ');
        out += title + printable(decision.answer) + "\n";
        for (const ExplainedStep& step : decision.steps) {
            out.append(kTitleColumns + 2, ' ').append(printable(step.text));
            if (step.place) {
                out += "  (" + printable(step.place->file) + ":" + std::to_string(step.place->line) + ")";
            }
            out += '\n';
        }
    }
    return out;
}

std::string explanation_json(const Explanation& explanation) {
    std::string out = "[";
    for (const ExplainedDecision& decision : explanation.decisions) {
        out += out.size() > 1 ? ",\n {\"decision\":" : "\n {\"decision\":";
        append_json_string(out, decision.title);
        out += ",\"answer\":";
        append_json_string(out, decision.answer);
        out += ",\"steps\":[";
        for (std::size_t i = 0; i < decision.steps.size(); ++i) {
            const ExplainedStep& step = decision.steps[i];
            out += i > 0 ? ",{\"text\":" : "{\"text\":";
            append_json_string(out, step.text);
            if (step.place) {
                out += ",\"file\":";
                append_json_string(out, step.place->file);
                out += ",\"line\":" + std::to_string(step.place->line);
            }
            out += '}';
        }
        out += "]}";
    }
    return out + "\n]\n";
}

std::optional<Explanation> parse_explanation(std::string_view text) {
    boost::system::error_code error;
    const json::value value = json::parse(text, error);
    if (error || !value.is_array()) {
        return std::nullopt;
    }
    Explanation explanation;
    for (const json::value& one : value.get_array()) {
        auto decision = decision_of(one);
        if (!decision) {
            return std::nullopt;
        }
        explanation.decisions.push_back(*std::move(decision));
    }
    return explanation;
}

} // namespace gatehouse::proxy
