/*
 * What a call waits for always comes: answers of a worker that finds the
 * signalling thread's mailbox full, and no memory to keep them in.
 */
#include "media/worker.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/cm.h"
#include "tests/unit/metric.h"

#define ROOM    2 /* in the mailbox */
#define ANSWERS 8
#define WAIT_MS 10000

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static pthread_t self;
static atomic_bool short_of_memory;
static atomic_uint refused; /* to the worker */

/* The linker puts it in place of malloc(), by --wrap. */
void *__wrap_malloc(size_t size)
{
	if (atomic_load(&short_of_memory) &&
	    !pthread_equal(pthread_self(), self)) {
		atomic_fetch_add(&refused, 1);
		return NULL;
	}
	return __real_malloc(size);
}

struct fix {
	struct gw_media_config cfg;
	struct gw_mailbox *events;
	struct gw_worker *worker;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	self = pthread_self();
	atomic_store(&short_of_memory, false);
	atomic_store(&refused, 0);
	assert_int_equal(0,
			 gw_mailbox_new(&f->events,
					sizeof(struct gw_media_event), ROOM));
	assert_int_equal(0,
			 gw_worker_new(&f->worker, &f->cfg, f->events, 0, 1));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	gw_worker_free(f->worker);
	gw_mailbox_free(f->events);
	free(f);
	return 0;
}

/* Commands for a context that is not there: each is answered by GONE. */
static void command(struct fix *f)
{
	struct gw_media_cmd cmd = { .verb = GW_M_TAKE, .ctx = 7 };

	for (uint32_t i = 1; i <= ANSWERS; i++) {
		cmd.serial = i;
		assert_int_equal(0, gw_worker_post(f->worker, &cmd));
	}
}

static void wait_for_refusal(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (unsigned i = 0; !atomic_load(&refused); i++) {
		assert_in_range(i, 0, WAIT_MS);
		(void)nanosleep(&ms, NULL);
	}
}

static void next_event(struct fix *f, struct gw_media_event *ev)
{
	while (!gw_mailbox_take(f->events, ev)) {
		struct pollfd p = { .fd = gw_mailbox_fd(f->events),
				    .events = POLLIN };

		assert_int_equal(1, poll(&p, 1, WAIT_MS));
		gw_mailbox_quiet(f->events);
	}
}

static void answers_wait_for_room_where_there_is_no_memory(void **state)
{
	int64_t lost = metric("isthmus_media_events_lost_total");
	int64_t late = metric("isthmus_media_events_delayed_total");
	int64_t stood = metric("isthmus_media_out_of_memory_total");
	struct fix *f = *state;
	struct gw_media_event ev;

	atomic_store(&short_of_memory, true);
	command(f);
	wait_for_refusal();
	for (uint32_t i = 1; i <= ANSWERS; i++) {
		next_event(f, &ev);
		assert_int_equal(GW_E_GONE, ev.type);
		assert_int_equal(i, ev.serial);
	}
	atomic_store(&short_of_memory, false);
	assert_int_equal(lost, metric("isthmus_media_events_lost_total"));
	assert_true(metric("isthmus_media_events_delayed_total") > late);
	assert_true(metric("isthmus_media_out_of_memory_total") > stood);
}

/* Some are owed already when there is no memory for more: in order, still. */
static void answers_that_are_owed_come_first(void **state)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct fix *f = *state;
	int64_t late = metric("isthmus_media_events_delayed_total");
	struct gw_media_event ev;

	command(f);
	for (unsigned i = 0; metric("isthmus_media_events_delayed_total") <
			     late + ANSWERS - ROOM;
	     i++) {
		assert_in_range(i, 0, WAIT_MS);
		(void)nanosleep(&ms, NULL);
	}
	atomic_store(&short_of_memory, true);
	command(f);
	wait_for_refusal();
	for (uint32_t i = 0; i < 2 * ANSWERS; i++) {
		next_event(f, &ev);
		assert_int_equal(i % ANSWERS + 1, ev.serial);
	}
	atomic_store(&short_of_memory, false);
}

/* The end does not wait for one that waits: nobody takes its answers. */
static void worker_that_waits_ends_when_told(void **state)
{
	struct fix *f = *state;

	atomic_store(&short_of_memory, true);
	command(f);
	wait_for_refusal();
	gw_worker_free(f->worker);
	f->worker = NULL;
	atomic_store(&short_of_memory, false);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(answers_wait_for_room_where_there_is_no_memory),
		T(answers_that_are_owed_come_first),
		T(worker_that_waits_ends_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
