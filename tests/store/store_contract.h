// The suite that every Store passes. A test case of a store calls run_store_contract with a function that makes one:
// each SUBCASE gets a store of its own.
//
// What only one store promises (charges, eviction policy, files) is tested beside it.
#pragma once

#include "cache/store/store.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace gatehouse::cache::store::testing {

struct ContractOptions {
    std::uint64_t size_bytes = 16 * 1024 * 1024;
    std::uint64_t max_object_bytes = 1024 * 1024;
    unsigned max_variants = 4;
};
using MakeStore = std::function<std::unique_ptr<Store>(const ContractOptions&)>;
// Returns when the store has done what it does in the background.
using Settle = std::function<void(Store&)>;

void run_store_contract(const MakeStore& make, const Settle& settle = [](Store&) {});

} // namespace gatehouse::cache::store::testing
