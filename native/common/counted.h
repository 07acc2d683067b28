// Counted: a pointer that owns an object together with others. The object counts its owners itself, so that an owner
// takes one word, and a plain pointer to an object that has an owner can become another owner.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace callring {

// A new object counts one owner: Counted::adopt() is that one. The last owner calls T::destroy(T*).
struct OwnerCount {
    std::atomic<std::uint32_t> owners{1};

    // One owner gives the object up. True: it was the last. A sole owner needs no atomic change: only an owner can make
    // another one.
    [[nodiscard]] bool give_up() noexcept {
        return owners.load(std::memory_order_acquire) == 1 || owners.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }
};

template <class T>
class Counted {
public:
    using element_type = T;

    Counted() noexcept = default;
    Counted(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor): as all pointers
    // `object` has an owner that lives on during this call, or is null.
    explicit Counted(T* object) noexcept : object_(object) {
        if (object_ != nullptr) {
            object_->owners.fetch_add(1, std::memory_order_relaxed);
        }
    }
    // The first owner of a new object.
    [[nodiscard]] static Counted adopt(T* object) noexcept {
        Counted first;
        first.object_ = object;
        return first;
    }
    Counted(const Counted& other) noexcept : Counted(other.object_) {}
    Counted(Counted&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Counted& operator=(Counted other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Counted() {
        if (object_ != nullptr && object_->give_up()) {
            T::destroy(object_);
        }
    }

    void reset() noexcept { *this = nullptr; }
    [[nodiscard]] T* get() const noexcept { return object_; }
    [[nodiscard]] T& operator*() const noexcept { return *object_; }
    [[nodiscard]] T* operator->() const noexcept { return object_; }
    [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }

    friend bool operator==(const Counted& a, const Counted& b) noexcept { return a.object_ == b.object_; }
    friend bool operator==(const Counted& a, const T* b) noexcept { return a.object_ == b; }

private:
    T* object_ = nullptr;
};

}  // namespace callring
