// The little behaviour that the plain values have.
#include "config/config.h"

namespace gatehouse::config {

std::optional<Milliseconds> StatusDurations::find(int status) const {
    if (const auto exact = by_status.find(status); exact != by_status.end()) return exact->second;
    if (const auto whole_class = by_class.find(status / 100); whole_class != by_class.end()) return whole_class->second;
    return std::nullopt;
}

} // namespace gatehouse::config
