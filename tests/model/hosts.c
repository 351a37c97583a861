/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations and operators, and what slots and registrations share. Slots are in slots.c. */
#include "tests/model/hosts.h"

#include "base/cleanup.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/choices.h"
#include "tests/model/dialects.h"
#include "tests/model/known.h"

#include <string.h>

struct registration_actor registrations[REGISTRATIONS];

/* ---- the connection ---- */

static struct registration_actor *from_peer(struct peer *peer)
{
    return pe_list_entry(peer, struct registration_actor, peer);
}

static void on_sent(struct peer *peer, bool is_text, const uint8_t *bytes, size_t size)
{
    (void)peer;
    (void)is_text;
    (void)bytes;
    EXPECT(false, "the balancer sends %zu bytes to a registration", size);
}

static void on_closing(struct peer *peer)
{
    EXPECT(from_peer(peer)->is_refused, "a registration is closed for no reason");
}

static void on_end(struct peer *peer)
{
    TRACE("registration %d ends", (int)(from_peer(peer) - registrations));
    known_ended(peer, true);
}

/* ---- what it says ---- */

static void make_offer(struct offer *offer)
{
    static const enum pe_isolation isolations[] = {PE_ISOLATION_KERNEL, PE_ISOLATION_KERNEL,
                                                   PE_ISOLATION_EMULATION, PE_ISOLATION_HARDWARE};
    bool is_uniform = !chance(25); /* most workers of a service have the same images */
    *offer = (struct offer){.isolation = isolations[choose(4)],
                            .slots = 1 + choose(3),
                            .vms = choose(3),
                            .draining = chance(8),
                            .is_live = chance(80)};
    for (unsigned image = 0; image < IMAGES; image++)
        offer->variants[image] = is_uniform ? (chance(80) ? 1 : 0) : choose(VARIANTS);
    if (options.is_calm)
        *offer = (struct offer){
            .isolation = PE_ISOLATION_KERNEL, .slots = 3, .is_live = true, .variants = {1, 1, 1}};
}

static json_t *images_of(const struct offer *offer)
{
    json_t *images = json_array();
    for (unsigned image = 0; image < IMAGES; image++) {
        unsigned variant = offer->variants[image];
        char env[16];
        snprintf(env, sizeof env, "VARIANT=%u", variant);
        if (variant)
            json_array_append_new(images, json_pack("{s:s, s:s, s:[s], s:o}", "name", name_of_image(image),
                                                    "digest", digest_of(image, variant), "env", env, "piston",
                                                    dialects_runtimes(image)));
    }
    return images;
}

static void say_hello(struct registration_actor *self, unsigned name)
{
    struct pe_error err;
    struct offer offer;
    make_offer(&offer);
    pe_autobuf struct pe_buf text = {0};
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_HELLO,
                                                .hello = {.isolation = offer.isolation,
                                                          .slots = offer.slots,
                                                          .vms = offer.vms,
                                                          .live = offer.is_live,
                                                          .draining = offer.draining}};
    snprintf(message.hello.host, sizeof message.hello.host, "%s", name_of_host(name));
    snprintf(message.hello.arch, sizeof message.hello.arch, "x86_64");
    message.hello.images = images_of(&offer);
    if (pe_message_encode(&message, &text, &err) < 0)
        abort();
    TRACE("registration %d says hello as worker %u: images %u %u %u, isolation %d, %u slots, %u vms%s",
          (int)(self - registrations), name, offer.variants[0], offer.variants[1], offer.variants[2],
          (int)offer.isolation, offer.slots, offer.vms, offer.draining ? ", draining" : "");
    known_hello(&self->peer, name, &offer);
    peer_say(&self->peer, true, text.data, text.size);
    EXPECT(peer_is_heard(&self->peer), "a valid hello closes its registration");
}

/* Say what no registration may say. */
static void say_nonsense(struct registration_actor *self)
{
    static const char *const texts[] = {
        "",
        "{",
        "{\"type\":\"hello\"}",
        "{\"type\":\"hello\",\"protocol\":3,\"host\":\"\",\"images\":[]}",
        "{\"type\":\"hello\",\"protocol\":2,\"host\":\"w\",\"isolation\":\"kernel\",\"slots\":1,\"images\":[]"
        "}",
        "{\"type\":\"hello\",\"protocol\":3,\"host\":\"w\",\"isolation\":\"kernel\",\"slots\":1,\"images\":["
        "1]}",
        "{\"type\":\"ready\",\"protocol\":3,\"host\":\"w\",\"warm\":\"\"}",
        "{\"type\":\"end\",\"id\":\"x\"}",
    };
    const char *text = texts[choose(sizeof texts / sizeof *texts)];
    bool is_text = chance(80);
    TRACE("registration %d says nonsense", (int)(self - registrations));
    self->is_refused = true;
    known_ended(&self->peer, false);
    peer_say(&self->peer, is_text, text, strlen(text));
    EXPECT(!peer_is_heard(&self->peer), "a registration stays open after '%s'", text);
}

void registration_act(void)
{
    struct registration_actor *self = &registrations[choose(REGISTRATIONS)];
    unsigned at = (unsigned)(self - registrations);
    unsigned name = chance(85) ? at % NAMES : choose(NAMES);
    if (!self->peer.ws) {
        self->is_refused = false;
        peer_open(&self->peer, false);
    } else if (chance(25) || !peer_is_heard(&self->peer)) {
        peer_end(&self->peer);
        return;
    } else if (chance(5)) {
        say_nonsense(self);
        return;
    }
    if (chance(90))
        say_hello(self, name);
}

/* ---- operators ---- */

static void set_drained(unsigned name, bool is_drained)
{
    struct pe_error err;
    bool can = known[name].count || known[name].is_drained;
    int failed = scheduler_drain(&balancer.scheduler, name_of_host(name), is_drained, &err);
    TRACE("an operator drains worker %u: %d", name, is_drained);
    EXPECT(!failed == can, "draining worker %u: %s", name, failed ? err.message : "it worked");
    if (!failed) {
        known[name].is_drained = is_drained;
        dispatch_soon(&balancer.dispatch); /* as lb/api/hosts.c does */
    }
}

void operator_act(void)
{
    unsigned name = choose(NAMES);
    bool is_drained = chance(40);
    known_sync();
    set_drained(name, is_drained);
}

/* ---- all of them ---- */

void hosts_reset(void)
{
    for (unsigned i = 0; i < REGISTRATIONS; i++)
        registrations[i] = (struct registration_actor){
            .peer = {.on_sent = on_sent, .on_closing = on_closing, .on_end = on_end}};
    slots_reset();
}

void hosts_end_all(void)
{
    for (unsigned i = 0; i < REGISTRATIONS; i++) {
        peer_end(&registrations[i].peer);
        book_sync(); /* another registration of the worker may count now, and its images are known */
    }
    for (unsigned i = 0; i < SLOTS; i++)
        peer_end(&slots[i].peer);
    for (unsigned name = 0; name < NAMES; name++)
        if (known[name].is_drained)
            set_drained(name, false);
}
