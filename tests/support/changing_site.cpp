#include "tests/support/changing_site.h"

#include "tests/support/range_origin.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace gatehouse::testing {

namespace {

std::string tag_of(unsigned version, std::size_t variant) {
    return "\"" + std::to_string(version) + "-" + std::to_string(variant) + "\"";
}

// One step of splitmix64.
std::uint64_t next_number(std::uint64_t& state) {
    std::uint64_t mixed = state += 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31);
}

std::size_t variant_of(const FieldLines& fields) {
    const std::string language = fields.get("Accept-Language");
    return language.empty() ? 0 : static_cast<std::size_t>(language.back() - '0');
}

} // namespace

ChangingSite::ChangingSite() {
    for (std::size_t i = 0; i < kGroups * kGroupSize; ++i) {
        SiteResource& resource = resources_.emplace_back();
        const std::size_t number = i % kGroupSize;
        resource.path = "/g" + std::to_string(i / kGroupSize) + "/" + std::to_string(number);
        resource.variants = number % 4 == 1 ? SiteResource::kMostVariants : 1;
        // Mostly little, sometimes more than is read at once, nothing at all, or more than a quarter of 1 MiB.
        resource.most_bytes = number == 0 ? 0 : number == 2 ? 900'000 : number % 8 == 3 ? 60'000 : 8'000;
    }
    for (std::size_t i = 0; i < kSliced; ++i) {
        SiteResource& resource = resources_.emplace_back();
        resource.path = "/sliced/" + std::to_string(i);
        resource.most_bytes = 400'000;
        resource.is_sliced = true;
    }
}

std::string ChangingSite::content_of(const SiteResource& resource, std::size_t variant, unsigned version) {
    std::uint64_t state = std::hash<std::string>()(resource.path) + variant * 1'000'003 + version;
    const std::uint64_t chosen = next_number(state);
    std::string content(resource.most_bytes == 0 ? 0 : chosen % resource.most_bytes, '\0');
    for (std::size_t at = 0; at < content.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t number = next_number(state);
        std::memcpy(content.data() + at, &number, std::min(sizeof number, content.size() - at));
    }
    return content;
}

void ChangingSite::answer(OriginExchange& x) {
    const auto found = std::find_if(resources_.begin(), resources_.end(),
                                    [&x](const SiteResource& resource) { return resource.path == x.target(); });
    if (found == resources_.end()) {
        x.ok("max-age=3600", x.target());
        return;
    }
    if (x.method() == "POST") {
        x.content();
        x.reply(200, "X-Version: " + std::to_string(change(*found).version) + "\r\n", "changed");
        return;
    }
    const std::size_t variant = variant_of(x.fields());
    AnswerAge age;
    {
        const std::lock_guard lock(found->mutex);
        age = {found->version, ++stamp_};
    }
    const std::string fields = "Cache-Control: max-age=3600\r\nX-Version: " + std::to_string(age.version) +
                               "\r\nX-Sent: " + std::to_string(age.stamp) + "\r\n" +
                               (found->variants > 1 ? "Vary: Accept-Language\r\n" : "");
    answer_ranges(x, content_of(*found, variant, age.version), tag_of(age.version, variant), fields);
}

AnswerAge ChangingSite::change(SiteResource& resource) {
    const std::lock_guard lock(resource.mutex);
    return {++resource.version, stamp_ + 1};
}

AnswerAge ChangingSite::age_of(const Response& response) {
    return {static_cast<unsigned>(std::strtoul(response.get("X-Version").c_str(), nullptr, 10)),
            std::strtoull(response.get("X-Sent").c_str(), nullptr, 10)};
}

std::string ChangingSite::fault_of(SiteResource& resource, std::size_t variant, const AnswerAge& oldest,
                                   const Response& response) {
    const auto fault = [&](const std::string& what) {
        return resource.path + ", variant " + std::to_string(variant) + ": " + what +
               ", X-Cache: " + response.get("X-Cache") + ", Cache-Status: " + response.get("Cache-Status");
    };
    if (response.status != 200 || !response.complete) {
        return fault("status " + std::to_string(response.status) + (response.complete ? "" : ", not complete"));
    }
    const AnswerAge age = age_of(response);
    unsigned newest = 0;
    {
        const std::lock_guard lock(resource.mutex);
        newest = resource.version;
    }
    // What is put together from slices has the fields of one of them.
    const AnswerAge least{oldest.version, resource.is_sliced ? 0 : oldest.stamp};
    if (age.is_older_than(least) || age.version > newest) {
        return fault("version " + std::to_string(age.version) + " sent as " + std::to_string(age.stamp) +
                     " where the oldest may be " + std::to_string(least.version) + " sent as " +
                     std::to_string(least.stamp) + " and the newest " + std::to_string(newest));
    }
    if (response.get("ETag") != tag_of(age.version, variant)) {
        return fault("ETag " + response.get("ETag") + " for version " + std::to_string(age.version));
    }
    if (response.content != content_of(resource, variant, age.version)) {
        return fault("wrong bytes for version " + std::to_string(age.version));
    }
    return "";
}

void ChangingSite::settle() {
    for (SiteResource& resource : resources_) {
        const std::lock_guard lock(resource.mutex);
        for (SiteResource::Copy& copy : resource.copies) {
            copy.settled = copy.replaced;
            copy.is_settled = copy.is_stored;
        }
    }
}

void ChangingSite::forget_unsettled() {
    for (SiteResource& resource : resources_) {
        const std::lock_guard lock(resource.mutex);
        for (SiteResource::Copy& copy : resource.copies) {
            copy.replaced = copy.settled;
            copy.is_stored = false; // until it is found again
        }
    }
}

} // namespace gatehouse::testing
