-- The log of agents' event streams: tables, and the functions through which servers and producers of any language use them.
-- Runs on Supabase (`supabase db push`) and on any Postgres from 13 up (`loomi-recovery migrate`, `psql -f`). Running it again changes nothing, and
-- what it did is recorded last: one that broke off is run again.
--
-- What the functions promise is written down in server/store.ts. Whoever changes a session holds its lock (an advisory one,
-- which also a session without a row has) to the end of the transaction, so that the order of commit is the order of seq.
-- Sessions are locked in the order of their ids, then rows of runs and heartbeats in the order of theirs: no deadlocks.

create table if not exists public.loomi_migrations (
  version text primary key,
  name text not null,
  applied_at timestamptz not null default now()
);
comment on table public.loomi_migrations is 'The migrations of loomi-recovery that this database has.';
comment on column public.loomi_migrations.version is 'The number that the migration''s file name begins with: UTC, YYYYMMDDHHMMSS.';
comment on column public.loomi_migrations.name is 'The rest of the file''s name.';
comment on column public.loomi_migrations.applied_at is 'When it was applied.';

create table if not exists public.loomi_sessions (
  session_id text primary key check (char_length(session_id) between 1 and 128),
  user_id text not null check (char_length(user_id) between 1 and 128),
  epoch text not null,
  head bigint not null,
  head_key text not null,
  closed_seq bigint,
  pruned_seq bigint,
  pruned_key text,
  created_at timestamptz not null default clock_timestamp()
);
create index if not exists loomi_sessions_user on public.loomi_sessions (user_id);
comment on table public.loomi_sessions is 'One row for each conversation that has a log.';
comment on column public.loomi_sessions.session_id is 'The app''s id of the conversation.';
comment on column public.loomi_sessions.user_id is 'Whose it is; nobody else can read it.';
comment on column public.loomi_sessions.epoch is 'A random word made with the log: a log that was lost and begun again has another.';
comment on column public.loomi_sessions.head is 'Seq of the newest row of the log.';
comment on column public.loomi_sessions.head_key is 'Key of the newest row: <run_id>/<n>, with .<i> where i is not 0.';
comment on column public.loomi_sessions.closed_seq is 'Seq of the row that closed the session, null while it is open.';
comment on column public.loomi_sessions.pruned_seq is 'Seq of the newest row that was pruned, null when none was. Rows up to it that a partial restore brings back are not pruned again: delete them by hand.';
comment on column public.loomi_sessions.pruned_key is 'Key of the newest row that was pruned.';
comment on column public.loomi_sessions.created_at is 'When its first event was stored.';

create table if not exists public.loomi_former_owners (
  session_id text not null references public.loomi_sessions on delete cascade,
  user_id text not null,
  primary key (session_id, user_id)
);
create index if not exists loomi_former_owners_user on public.loomi_former_owners (user_id);
comment on table public.loomi_former_owners is 'Who had a session before it was transferred: what they append goes into it, reading it they cannot.';
comment on column public.loomi_former_owners.session_id is 'The session.';
comment on column public.loomi_former_owners.user_id is 'A user who had it.';

create table if not exists public.loomi_stream_events (
  session_id text not null references public.loomi_sessions on delete cascade,
  seq bigint not null check (seq > 0),
  run_id text not null,
  -- What a double holds exactly: readers are JavaScript.
  n bigint not null check (n between 0 and 9007199254740991),
  i integer not null,
  event_type text not null,
  content_type text not null,
  agent_source text not null,
  event_data json not null,
  event_metadata json,
  part_id text,
  part_done boolean not null default false,
  bytes integer not null check (bytes <= 1048576),
  created_at timestamptz not null,
  stored_at timestamptz not null default clock_timestamp(),
  primary key (session_id, seq)
);
comment on table public.loomi_stream_events is 'The log: every event of every session, in order. Written by loomi_append alone.';
comment on column public.loomi_stream_events.session_id is 'The session.';
comment on column public.loomi_stream_events.seq is 'Place in the session: 1, 2, 3 … without holes, in the order of commit.';
comment on column public.loomi_stream_events.run_id is 'The answer of an agent that the event belongs to.';
comment on column public.loomi_stream_events.n is 'Number of the input chunk in its run, from 1; of an event that joins several, the last one''s.';
comment on column public.loomi_stream_events.i is 'Tells the events of one chunk apart, from 0; below 0: an interruption, which its producer did not number.';
comment on column public.loomi_stream_events.event_type is 'What kind of event it is: thought, message, tool_call, run_end …';
comment on column public.loomi_stream_events.content_type is 'What kind of content it has; of a run_end, how the run ended.';
comment on column public.loomi_stream_events.agent_source is 'Which agent it comes from.';
comment on column public.loomi_stream_events.event_data is 'Any JSON, kept to the letter: json and not jsonb, because jsonb takes neither U+0000 nor half a surrogate pair.';
comment on column public.loomi_stream_events.event_metadata is 'Any JSON beside it, kept to the letter.';
comment on column public.loomi_stream_events.part_id is 'Which text a delta continues: <run>/<message>/<index>.';
comment on column public.loomi_stream_events.part_done is 'Whether it is the last delta of its text.';
comment on column public.loomi_stream_events.bytes is 'Bytes of event_data and event_metadata together, at most 1 MiB.';
comment on column public.loomi_stream_events.created_at is 'When it came about, by its producer''s clock.';
comment on column public.loomi_stream_events.stored_at is 'When it was stored, by the database''s clock.';

create table if not exists public.loomi_runs (
  session_id text not null,
  run_id text not null,
  user_id text not null,
  last_n bigint not null default 0,
  last_i integer not null default -1,
  status text,
  lease_until timestamptz,
  interruptions integer not null default 0,
  primary key (session_id, run_id)
);
create index if not exists loomi_runs_user on public.loomi_runs (user_id);
create index if not exists loomi_runs_open on public.loomi_runs (lease_until) where status = 'open';
comment on table public.loomi_runs is 'One row for each answer of an agent. Its session need not have a log yet.';
comment on column public.loomi_runs.session_id is 'The session.';
comment on column public.loomi_runs.run_id is 'The answer''s id, unique in its session.';
comment on column public.loomi_runs.user_id is 'Whose session it is.';
comment on column public.loomi_runs.last_n is 'Highest n stored of it; what is at or below (last_n, last_i) adds nothing.';
comment on column public.loomi_runs.last_i is 'Highest i stored of that n; -1 while nothing is.';
comment on column public.loomi_runs.status is 'open, or how it ended: complete, failed, stopped, interrupted; null of what is nobody''s answer.';
comment on column public.loomi_runs.lease_until is 'Until when its producer is taken to be alive, by the database''s clock; null: for ever.';
comment on column public.loomi_runs.interruptions is 'How often it was ended because its producer was gone.';

create table if not exists public.loomi_heartbeats (
  user_id text not null,
  session_id text not null,
  last_beat_at timestamptz not null,
  head_seq bigint not null,
  pending_seq bigint,
  epoch text,
  displayed text,
  primary key (user_id, session_id)
);
create index if not exists loomi_heartbeats_session on public.loomi_heartbeats (session_id);
comment on table public.loomi_heartbeats is 'When each user was last heard of in each session; written in batches, never per beat.';
comment on column public.loomi_heartbeats.user_id is 'The user.';
comment on column public.loomi_heartbeats.session_id is 'The session, which need not have a log yet.';
comment on column public.loomi_heartbeats.last_beat_at is 'When the last beat came, by the clock of the server that heard it.';
comment on column public.loomi_heartbeats.head_seq is 'Newest seq of the session when it came.';
comment on column public.loomi_heartbeats.pending_seq is 'Newest seq before an absence that no stream has made good yet, null without one.';
comment on column public.loomi_heartbeats.epoch is 'The log that the seqs belong to, null when there was none.';
comment on column public.loomi_heartbeats.displayed is 'Cursor of the newest event that the user''s devices have displayed: <epoch>-<seq>-<tag>.';

do $$
begin
  if to_regtype('public.loomi_new_event') is null then
    create type public.loomi_new_event as (
      run_id text, n bigint, i integer, event_type text, content_type text, agent_source text,
      event_data json, event_metadata json, part_id text, part_done boolean, created_at timestamptz
    );
  end if;
end
$$;
comment on type public.loomi_new_event is 'An event on its way into the log.';

create or replace function public.loomi_version() returns text
language sql stable set search_path = '' as
$$ select max(version) from public.loomi_migrations $$;
comment on function public.loomi_version is 'The newest migration that this database has.';

-- Behind a pooler no other limit ends a call that waits, when its caller has long given up.
create or replace function public.loomi_lock(p_session_id text) returns void
language sql volatile set search_path = '' set lock_timeout = '10s' as
$$ select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(p_session_id, 607841)) $$;
comment on function public.loomi_lock is 'Takes a session''s lock, to the end of the transaction.';

create or replace function public.loomi_try_lock(p_session_id text) returns boolean
language sql volatile set search_path = '' as
$$ select pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(p_session_id, 607841)) $$;
comment on function public.loomi_try_lock is 'Takes a session''s lock unless another transaction has it; whether it did.';

-- A notification has less than 8000 bytes, and an id up to 512.
create or replace function public.loomi_wake(p_session_ids text[]) returns void
language sql volatile set search_path = '' as
$$
  select pg_catalog.pg_notify('loomi', (
    select pg_catalog.json_agg(id)::text from pg_catalog.unnest(p_session_ids[part * 12 + 1 : part * 12 + 12]) as id
  ))
  from pg_catalog.generate_series(0, (pg_catalog.cardinality(p_session_ids) - 1) / 12) as part
  where pg_catalog.cardinality(p_session_ids) > 0
$$;
comment on function public.loomi_wake is 'Tells the servers, when the transaction commits, that something has happened in these sessions.';

create or replace function public.loomi_append(
  p_session_id text,
  p_user_id text,
  p_events json,
  p_lease_ms bigint default null,
  p_notify boolean default true
) returns json
language plpgsql volatile set search_path = '' as
$$
declare
  _text text := p_events::text;
  -- Stands for the `\u` of what Postgres can't decode, while the events are taken apart.
  _mark text := '';
  _session public.loomi_sessions;
  _owner text := p_user_id;
  _fresh public.loomi_new_event[];
  _overlap json;
  _stopped text;
  _added json := '[]';
  _before text := '';
begin
  if p_session_id is null or p_user_id is null then
    raise exception 'loomi_append needs a session and a user' using errcode = '22004';
  end if;
  if json_typeof(p_events) = 'object' then _text := '[' || _text || ']'; end if;
  if _text ~ '\\u(0000|[dD][89a-fA-F])' then
    _mark := replace(gen_random_uuid()::text, '-', '');
    -- Two backslashes are one in the text; with those out of the way, each `\u` that is left is an escape.
    _text := replace(_text, '\\', _mark || '/');
    _text := regexp_replace(_text,
      '\\u(0000|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F]))|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})',
      _mark || '\1\2', 'g');
    _text := replace(_text, _mark || '/', '\\');
  end if;

  perform public.loomi_lock(p_session_id);
  select * into _session from public.loomi_sessions where session_id = p_session_id;
  if _session.user_id <> p_user_id then
    if not exists (
      select from public.loomi_former_owners f where f.session_id = p_session_id and f.user_id = p_user_id
    ) then
      return json_build_object('ok', false, 'code', 'not_owner');
    end if;
    _owner := _session.user_id;
  end if;

  with given as materialized (
    select o.ord, coalesce(e.run_id, 'agent') as run_id, e.n, coalesce(e.i, 0) as i, e.first_n, e.first_i,
      e.event_type, e.content_type, coalesce(e.agent_source, 'agent') as agent_source,
      -- A JSON null is data too, which only the event itself tells from nothing.
      coalesce(e.event_data::text, (o.event -> 'event_data')::text) as event_data, e.event_data_json,
      e.event_metadata::text as event_metadata, e.event_metadata_json,
      e.part_id, coalesce(e.part_done, false) as part_done, coalesce(e.created_at, clock_timestamp()) as created_at
    from json_array_elements(_text::json) with ordinality as o (event, ord)
    cross join lateral json_to_record(o.event) as e (
      run_id text, n bigint, i integer, first_n bigint, first_i integer, event_type text, content_type text,
      agent_source text, event_data json, event_data_json text, event_metadata json, event_metadata_json text,
      part_id text, part_done boolean, created_at timestamptz
    )
  ), placed as (
    select g.*, r.status, coalesce(r.last_n, 0) as last_n, coalesce(r.last_i, -1) as last_i,
      coalesce(g.n, greatest(r.last_n, max(g.n) over so_far, 0) + count(*) filter (where g.n is null) over so_far)
        as place
    from given g
    -- What a former owner's producer leased while the session was given away is the session's too.
    left join public.loomi_runs r on r.session_id = p_session_id and r.run_id = g.run_id and (
      r.user_id = _owner or exists (
        select from public.loomi_former_owners f where f.session_id = p_session_id and f.user_id = r.user_id
      )
    )
    window so_far as (partition by g.run_id order by g.ord)
  ), judged as (
    select p.*,
      array[p.place, p.i] > greatest(array[p.last_n, p.last_i], max(array[p.place, p.i]) over (
        partition by p.run_id order by p.ord rows between unbounded preceding and 1 preceding
      )) as is_fresh,
      (coalesce(p.first_n, p.place), coalesce(p.first_i, p.i)) as first_place
    from placed p
  )
  select
    array_agg((
      j.run_id, j.place, j.i, j.event_type,
      coalesce(j.content_type, case when j.event_type = 'run_end'
        then coalesce(coalesce(j.event_data_json, j.event_data)::json ->> 'status', 'complete') else j.event_type end),
      j.agent_source,
      coalesce(j.event_data_json, replace(j.event_data, _mark, '\u'))::json,
      coalesce(j.event_metadata_json, replace(j.event_metadata, _mark, '\u'))::json,
      j.part_id, j.part_done, j.created_at
    )::public.loomi_new_event order by j.ord) filter (where j.is_fresh),
    (array_agg(json_build_object('ok', false, 'code', 'overlap', 'runId', j.run_id,
      'high', json_build_object('n', j.last_n, 'i', j.last_i)) order by j.ord)
      filter (where j.is_fresh and (j.place, j.i) > j.first_place and j.first_place <= (j.last_n, j.last_i)))[1],
    (array_agg(j.run_id order by j.ord) filter (where j.is_fresh and j.status = 'stopped'))[1]
  into _fresh, _overlap, _stopped
  from judged j;

  if _mark <> '' and exists (
    select from unnest(_fresh) f
    where strpos(concat(f.run_id, f.event_type, f.content_type, f.agent_source, f.part_id, f.event_data::text,
      f.event_metadata::text), _mark) > 0
  ) then
    raise exception 'names, and JSON that is given as text, cannot hold U+0000 or half a surrogate pair'
      using errcode = '22P05';
  end if;
  if _overlap is not null then return _overlap; end if;
  if _fresh is not null or _session.session_id is null then
    if _session.closed_seq is not null then
      return json_build_object('ok', false, 'code', 'session_closed');
    end if;
    if _stopped is not null then
      return json_build_object('ok', false, 'code', 'run_stopped', 'runId', _stopped);
    end if;

    _before := coalesce(_session.head_key, '');
    -- The session first, so that a caller with an old snapshot hears that it must try again.
    insert into public.loomi_sessions as s (session_id, user_id, epoch, head, head_key, closed_seq)
    select p_session_id, _owner, substr(replace(gen_random_uuid()::text, '-', ''), 1, 12),
      coalesce(_session.head, 0) + coalesce(cardinality(_fresh), 0),
      coalesce((select f.run_id || '/' || f.n || case when f.i = 0 then '' else '.' || f.i end
        from unnest(_fresh) with ordinality as f order by f.ordinality desc limit 1), ''),
      (select coalesce(_session.head, 0) + f.ordinality from unnest(_fresh) with ordinality as f
        where f.event_type = 'session_complete' order by f.ordinality desc limit 1)
    on conflict (session_id) do update
      set head = excluded.head, head_key = excluded.head_key, closed_seq = excluded.closed_seq
    returning s.* into _session;

    with added as (
      insert into public.loomi_stream_events as e (session_id, seq, run_id, n, i, event_type, content_type, agent_source,
        event_data, event_metadata, part_id, part_done, bytes, created_at)
      select p_session_id, _session.head - cardinality(_fresh) + f.ordinality, f.run_id, f.n, f.i, f.event_type,
        f.content_type, f.agent_source, f.event_data, f.event_metadata, f.part_id, f.part_done,
        octet_length(f.event_data::text) + coalesce(octet_length(f.event_metadata::text), 0), f.created_at
      from unnest(_fresh) with ordinality as f order by f.ordinality
      returning e.*
    )
    select coalesce(json_agg(json_build_object('seq', a.seq, 'run_id', a.run_id, 'n', a.n, 'i', a.i,
      'event_type', a.event_type, 'content_type', a.content_type, 'agent_source', a.agent_source,
      'event_data', a.event_data::text, 'event_metadata', a.event_metadata::text,
      'part_id', a.part_id, 'part_done', a.part_done,
      'created_at', to_char(a.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) order by a.seq), '[]')
    into _added from added a;

    insert into public.loomi_runs as r (session_id, run_id, user_id, last_n, last_i, status, lease_until)
    select p_session_id, h.run_id, _owner, h.place[1], h.place[2], h.status,
      case when h.status = 'open' then clock_timestamp() + p_lease_ms * interval '1 millisecond' end
    from (
      select f.run_id, max(array[f.n, f.i]) as place,
        (array_agg(case when f.event_type = 'run_end' then f.content_type else 'open' end order by f.ordinality desc)
          filter (where f.event_type not in ('user_message', 'session_complete', 'loomi_dropped')))[1] as status
      from unnest(_fresh) with ordinality as f group by f.run_id
    ) h
    order by h.run_id
    on conflict (session_id, run_id) do update set
      user_id = excluded.user_id, last_n = excluded.last_n, last_i = excluded.last_i,
      status = case when r.user_id = excluded.user_id then coalesce(excluded.status, r.status) else excluded.status end,
      -- Without a lease of its own an append neither gives nor takes one.
      lease_until = case when coalesce(excluded.status, r.status) = 'open' then coalesce(
        clock_timestamp() + p_lease_ms * interval '1 millisecond', r.lease_until) end;

    if p_notify then perform public.loomi_wake(array[p_session_id]); end if;
  end if;
  return json_build_object('ok', true,
    'head', json_build_object('epoch', _session.epoch, 'head', _session.head, 'headKey', _session.head_key,
      'closedSeq', _session.closed_seq),
    'userId', _session.user_id, 'added', _added, 'before', _before);
end
$$;
comment on function public.loomi_append is
  'Adds events to a session, making it if need be, in one transaction. Takes an event or an array of them: event_type and event_data (any JSON), and where wanted run_id, n, content_type, agent_source, event_metadata, part_id, part_done, created_at. With n, the event''s number in its run from 1, a batch can be sent again and adds nothing; without, each event gets the next number and sending it again adds it again. p_lease_ms: milliseconds that the producer is taken to be alive. p_notify: wake those who watch.';

create or replace function public.loomi_read(p_session_id text, p_user_id text, p_after bigint, p_limit integer)
returns json
language sql stable set search_path = '' as
$$
  select json_build_object(
    'head', (
      select json_build_object('epoch', s.epoch, 'head', s.head, 'headKey', s.head_key, 'closedSeq', s.closed_seq)
      from public.loomi_sessions s where s.session_id = p_session_id and s.user_id = p_user_id
    ),
    'events', coalesce((
      select json_agg(json_build_object('seq', e.seq, 'run_id', e.run_id, 'n', e.n, 'i', e.i,
        'event_type', e.event_type, 'content_type', e.content_type, 'agent_source', e.agent_source,
        'event_data', e.event_data::text, 'event_metadata', e.event_metadata::text,
        'part_id', e.part_id, 'part_done', e.part_done,
        'created_at', to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) order by e.seq)
      from (
        select r.*, sum(r.bytes) over (order by r.seq) - r.bytes as bytes_before
        from (
          select e.* from public.loomi_sessions s
          join public.loomi_stream_events e on e.session_id = s.session_id
          where s.session_id = p_session_id and s.user_id = p_user_id and e.seq > p_after
          order by e.seq limit p_limit
        ) r
      ) e
      where e.bytes_before <= 1048576
    ), '[]')
  )
$$;
comment on function public.loomi_read is 'Rows after a seq, at most p_limit and about a mebibyte of them, with the log''s head at that moment. Finds nothing for anybody but the owner. event_data is JSON text.';

create or replace function public.loomi_heads(p_refs json) returns json
language sql stable set search_path = '' as
$$
  select coalesce(json_agg(case when s.session_id is not null then json_build_object(
    'epoch', s.epoch, 'head', s.head, 'headKey', s.head_key, 'closedSeq', s.closed_seq) end order by r.ord), '[]')
  from (
    select o.ord, o.ref ->> 'sessionId' as session_id, o.ref ->> 'userId' as user_id
    from json_array_elements(p_refs) with ordinality as o (ref, ord)
  ) r
  left join public.loomi_sessions s on s.session_id = r.session_id and s.user_id = r.user_id
$$;
comment on function public.loomi_heads is 'The heads of those sessions that exist and are their user''s, in the order asked, null for the others. Takes [{"sessionId", "userId"}].';

create or replace function public.loomi_keys(p_session_id text, p_user_id text, p_seqs json) returns json
language sql stable set search_path = '' as
$$
  with asked as (
    select distinct value::bigint as seq from json_array_elements_text(p_seqs) as value
  ), session as (
    select s.* from public.loomi_sessions s where s.session_id = p_session_id and s.user_id = p_user_id
  )
  select coalesce(json_agg(json_build_array(k.seq, k.key)), '[]')
  from (
    select e.seq, e.run_id || '/' || e.n || case when e.i = 0 then '' else '.' || e.i end as key
    from session s join asked a on true
    join public.loomi_stream_events e on e.session_id = s.session_id and e.seq = a.seq
    union all
    select s.pruned_seq, s.pruned_key from session s join asked a on a.seq = s.pruned_seq
  ) k
$$;
comment on function public.loomi_keys is 'The keys of those rows that exist, and of the newest that was pruned: [[seq, key]].';

create or replace function public.loomi_run_high(p_session_id text, p_user_id text, p_run_id text) returns json
language sql stable set search_path = '' as
$$
  select coalesce((
    select json_build_object('n', r.last_n, 'i', r.last_i) from public.loomi_runs r
    where r.session_id = p_session_id and r.run_id = p_run_id and r.user_id = p_user_id
  ), '{"n":0,"i":-1}')
$$;
comment on function public.loomi_run_high is 'The highest place stored of a run: {"n", "i"}.';

create or replace function public.loomi_lease_runs(p_runs json, p_lease_ms bigint) returns void
language sql volatile set search_path = '' as
$$
  insert into public.loomi_runs as r (session_id, run_id, user_id, status, lease_until)
  select distinct on (a."sessionId", a."runId") a."sessionId", a."runId", coalesce(s.user_id, a."userId"), 'open',
    clock_timestamp() + p_lease_ms * interval '1 millisecond'
  from json_to_recordset(p_runs) as a ("sessionId" text, "userId" text, "runId" text)
  left join public.loomi_sessions s on s.session_id = a."sessionId"
  where s.session_id is null or s.user_id = a."userId" or exists (
    select from public.loomi_former_owners f where f.session_id = s.session_id and f.user_id = a."userId"
  )
  order by a."sessionId", a."runId"
  on conflict (session_id, run_id) do update set
    -- A run that has events is its session's, which may have been given away while this waited for it.
    user_id = case when r.last_i >= 0 then r.user_id else excluded.user_id end,
    status = 'open', lease_until = excluded.lease_until
  where r.status is null or r.status in ('open', 'interrupted')
$$;
comment on function public.loomi_lease_runs is 'Takes the producers of these runs to be alive for so many milliseconds from now on; a run that is not known yet is open from now on. Takes [{"sessionId", "userId", "runId"}].';

create or replace function public.loomi_release_runs(p_runs json) returns void
language sql volatile set search_path = '' as
$$
  with empty as (
    select r.session_id, r.run_id from public.loomi_runs r
    where (r.session_id, r.run_id) in (
      select a."sessionId", a."runId" from json_to_recordset(p_runs) as a ("sessionId" text, "runId" text)
    ) and r.status = 'open' and r.last_i = -1
    order by r.session_id, r.run_id for update
  )
  delete from public.loomi_runs r using empty e where r.session_id = e.session_id and r.run_id = e.run_id
$$;
comment on function public.loomi_release_runs is 'Forgets those open runs that have no event.';

create or replace function public.loomi_stopped_runs(p_runs json) returns json
language sql stable set search_path = '' as
$$
  select coalesce(json_agg(a.run), '[]')
  from json_array_elements(p_runs) as a (run)
  join public.loomi_runs r on r.session_id = a.run ->> 'sessionId' and r.run_id = a.run ->> 'runId'
  where r.status = 'stopped'
$$;
comment on function public.loomi_stopped_runs is 'Which of these runs were stopped.';

create or replace function public.loomi_end_runs(
  p_status text,
  p_choice json,
  p_created_at timestamptz default clock_timestamp()
) returns json
language plpgsql volatile set search_path = '' as
$$
declare
  _most constant integer := 100;
  _lapsed boolean := coalesce((p_choice ->> 'lapsed')::boolean, false);
  _interrupts boolean := p_status = 'interrupted';
  _chosen record;
  _locked text;
  _skipped text;
  _run public.loomi_runs;
  _session public.loomi_sessions;
  _i integer;
  _is_said boolean;
  _looked integer := 0;
  _ended integer := 0;
  _told text[] := '{}';
begin
  if p_status not in ('stopped', 'interrupted') then
    raise exception 'a run is ended from outside as stopped or interrupted, not as %', p_status using errcode = '22023';
  end if;
  for _chosen in
    select c.* from (
      (select r.session_id, r.run_id from public.loomi_runs r
        where r.status = 'open' and r.session_id = p_choice ->> 'sessionId'
        and r.run_id not in (select x ->> 'runId' from json_array_elements(coalesce(p_choice -> 'except', '[]')) as x)
        limit _most)
      union all
      (select r.session_id, r.run_id from public.loomi_runs r
        where r.status = 'open' and r.user_id = p_choice ->> 'userId' and p_choice ->> 'sessionId' is null
        limit _most)
      union all
      (select r.session_id, r.run_id
        from json_to_recordset(coalesce(p_choice -> 'runs', '[]')) as a ("sessionId" text, "runId" text)
        join public.loomi_runs r on r.session_id = a."sessionId" and r.run_id = a."runId" and r.status = 'open'
        limit _most)
      union all
      (select r.session_id, r.run_id from public.loomi_runs r
        where _lapsed and r.status = 'open' and r.lease_until <= clock_timestamp() order by r.lease_until limit _most)
    ) c order by c.session_id, c.run_id
  loop
    _looked := _looked + 1;
    if _locked is distinct from _chosen.session_id then
      if not _lapsed then
        perform public.loomi_lock(_chosen.session_id);
      elsif _skipped = _chosen.session_id or not public.loomi_try_lock(_chosen.session_id) then
        -- Somebody appends to it just now, or sweeps too: the next sweep looks again.
        _skipped := _chosen.session_id;
        continue;
      end if;
      _locked := _chosen.session_id;
    end if;
    -- Asked again under the lock.
    select * into _run from public.loomi_runs r
    where r.session_id = _chosen.session_id and r.run_id = _chosen.run_id and r.status = 'open'
      and (not _lapsed or r.lease_until <= clock_timestamp())
    for update;
    continue when not found;
    _ended := _ended + 1;
    -- Of an answer that never began there is nothing to say.
    if _interrupts and _run.last_n = 0 and _run.last_i = -1 then
      delete from public.loomi_runs where session_id = _run.session_id and run_id = _run.run_id;
      continue;
    end if;
    _i := case when _interrupts then -_run.interruptions - 1 else _run.last_i + 1 end;
    -- A run that was leased before its session had an event, or whose session is closed, has nobody to tell.
    update public.loomi_sessions s
    set head = s.head + 1,
      head_key = _run.run_id || '/' || _run.last_n || case when _i = 0 then '' else '.' || _i end
    where s.session_id = _run.session_id and s.closed_seq is null and (
      s.user_id = _run.user_id or exists (
        select from public.loomi_former_owners f where f.session_id = s.session_id and f.user_id = _run.user_id
      )
    )
    returning s.* into _session;
    _is_said := found;
    if _is_said then
      insert into public.loomi_stream_events (session_id, seq, run_id, n, i, event_type, content_type, agent_source,
        event_data, bytes, created_at)
      select _run.session_id, _session.head, _run.run_id, _run.last_n, _i, 'run_end', p_status, 'loomi',
        d.event_data::json, octet_length(d.event_data), coalesce(p_created_at, clock_timestamp())
      from (select '{"status":"' || p_status || '"}' as event_data) d;
      if not _run.session_id = any (_told) then _told := _told || _run.session_id; end if;
    end if;
    update public.loomi_runs set status = p_status, lease_until = null,
      last_i = case when _is_said and not _interrupts then _i else last_i end,
      interruptions = interruptions + case when _interrupts then 1 else 0 end
    where session_id = _run.session_id and run_id = _run.run_id;
  end loop;
  perform public.loomi_wake(_told);
  return json_build_object('ended', _ended, 'more', _ended > 0 and _looked >= _most);
end
$$;
comment on function public.loomi_end_runs is 'Appends a run_end to open runs: of a session ({"sessionId", "except"}), of a user ({"userId"}), certain ones ({"runs"}), or those whose lease has lapsed ({"lapsed": true}). At most 100 at once: {"ended", "more"}.';

create or replace function public.loomi_stop(p_session_id text) returns integer
language plpgsql volatile set search_path = '' as
$$
declare
  _answer json;
  _ended integer := 0;
begin
  loop
    _answer := public.loomi_end_runs('stopped', json_build_object('sessionId', p_session_id));
    _ended := _ended + (_answer ->> 'ended')::integer;
    exit when not (_answer ->> 'more')::boolean;
  end loop;
  return _ended;
end
$$;
comment on function public.loomi_stop is 'Stops what is being answered in a session, in whatever process; the number of runs that it ended.';

-- The later beat wins. `displayed` goes by itself: within an epoch the further one, else the later beat''s.
create or replace function public.loomi_touch(p_rows json) returns void
language sql volatile set search_path = '' as
$$
  insert into public.loomi_heartbeats as h
    (user_id, session_id, last_beat_at, head_seq, pending_seq, epoch, displayed)
  select distinct on (b."sessionId", b."userId") b."userId", b."sessionId",
    timestamptz 'epoch' + b."lastBeatAt" * interval '1 millisecond', b."headSeq", b."pendingSeq", b.epoch, b.displayed
  from json_to_recordset(p_rows) as b ("userId" text, "sessionId" text, "lastBeatAt" double precision,
    "headSeq" bigint, "pendingSeq" bigint, epoch text, displayed text)
  order by b."sessionId", b."userId", b."lastBeatAt" desc
  on conflict (user_id, session_id) do update set
    last_beat_at = greatest(excluded.last_beat_at, h.last_beat_at),
    head_seq = case when excluded.last_beat_at >= h.last_beat_at then excluded.head_seq else h.head_seq end,
    pending_seq = case when excluded.last_beat_at >= h.last_beat_at then excluded.pending_seq else h.pending_seq end,
    epoch = case when excluded.last_beat_at >= h.last_beat_at then excluded.epoch else h.epoch end,
    displayed = case
      when split_part(excluded.displayed, '-', 1) = split_part(h.displayed, '-', 1) then
        case when substring(excluded.displayed from '-(\d{1,18})-')::bigint >= substring(h.displayed from '-(\d{1,18})-')::bigint
          then excluded.displayed else h.displayed end
      when excluded.last_beat_at >= h.last_beat_at then coalesce(excluded.displayed, h.displayed)
      else coalesce(h.displayed, excluded.displayed)
    end
$$;
comment on function public.loomi_touch is 'Keeps what is known of users'' presence, one statement for all rows: [{"userId", "sessionId", "lastBeatAt" (ms since 1970), "headSeq", "pendingSeq", "epoch", "displayed"}].';

create or replace function public.loomi_presence(p_session_id text, p_user_id text) returns json
language sql stable set search_path = '' as
$$
  select json_build_object('sessionId', h.session_id, 'userId', h.user_id,
    'lastBeatAt', round(extract(epoch from h.last_beat_at) * 1000)::bigint, 'headSeq', h.head_seq,
    'pendingSeq', h.pending_seq, 'epoch', h.epoch, 'displayed', h.displayed)
  from public.loomi_heartbeats h where h.user_id = p_user_id and h.session_id = p_session_id
$$;
comment on function public.loomi_presence is 'What is known of a user''s presence in a session, null when nothing is.';

create or replace function public.loomi_transfer(p_session_id text, p_from text, p_to text) returns boolean
language plpgsql volatile set search_path = '' as
$$
declare
  _owner text;
begin
  -- Nor is anything deleted meanwhile.
  perform public.loomi_lock('');
  perform public.loomi_lock(p_session_id);
  select s.user_id into _owner from public.loomi_sessions s where s.session_id = p_session_id;
  if _owner is null or _owner not in (p_from, p_to) then return false; end if;
  if _owner = p_to then return true; end if;
  update public.loomi_sessions set user_id = p_to where session_id = p_session_id;
  delete from public.loomi_former_owners where session_id = p_session_id and user_id = p_to;
  insert into public.loomi_former_owners (session_id, user_id) values (p_session_id, p_from) on conflict do nothing;
  perform from public.loomi_runs where session_id = p_session_id order by run_id for update;
  update public.loomi_runs set user_id = p_to where session_id = p_session_id;
  -- In the order of their users, of whom the second one's row may not exist yet.
  perform from public.loomi_heartbeats where session_id = p_session_id and user_id = p_from and p_from < p_to for update;
  perform public.loomi_touch((
    select json_agg(json_build_object('sessionId', h.session_id, 'userId', p_to,
      'lastBeatAt', extract(epoch from h.last_beat_at) * 1000, 'headSeq', h.head_seq, 'pendingSeq', h.pending_seq,
      'epoch', h.epoch, 'displayed', h.displayed))
    from public.loomi_heartbeats h where h.session_id = p_session_id and h.user_id = p_from
  ));
  delete from public.loomi_heartbeats where session_id = p_session_id and user_id = p_from;
  perform public.loomi_wake(array[p_session_id]);
  return true;
end
$$;
comment on function public.loomi_transfer is 'Gives a session, its runs and its presence from one user to another; whether it was the first one''s, or is the other''s already.';

create or replace function public.loomi_prune(p_retention json, p_limit integer, p_from text default null) returns json
language plpgsql volatile set search_path = '' as
$$
declare
  _at_once constant integer := 500;
  _cutoff timestamptz := clock_timestamp()
    - least((p_retention ->> 'maxAgeMs')::double precision, 1e14) * interval '1 millisecond';
  _most bigint := (p_retention ->> 'maxEventsPerSession')::bigint;
  _session record;
  _last record;
  _count integer;
  _looked text := coalesce(p_from, '');
  _seen integer := 0;
  _removed integer := 0;
begin
  for _session in
    select s.session_id, s.epoch, s.head, e.seq, e.stored_at
    from public.loomi_sessions s
    left join lateral (
      -- From there on: until a vacuum, a look from the beginning passes by every row that ever went.
      select seq, stored_at from public.loomi_stream_events
      where session_id = s.session_id and seq > coalesce(s.pruned_seq, 0) order by seq limit 1
    ) e on true
    where s.session_id > _looked order by s.session_id limit _at_once
  loop
    _seen := _seen + 1;
    -- Most sessions have nothing to lose, which their oldest row tells.
    if _session.seq < _session.head and (_session.seq <= _session.head - _most or _session.stored_at <= _cutoff)
      -- One that somebody's transaction holds is left for the next time, or it would keep all others waiting.
      and public.loomi_try_lock(_session.session_id)
    then
      -- Asked again under the lock: it may have been deleted and begun anew since it was looked at.
      select o.seq, o.key into _last from (
        select r.*, bool_and(r.may_go) over (order by r.seq) as all_may_go from (
          select e.seq, e.run_id || '/' || e.n || case when e.i = 0 then '' else '.' || e.i end as key,
            e.seq < s.head and coalesce(e.seq <= s.head - _most or e.stored_at <= _cutoff, false) as may_go
          from public.loomi_sessions s
          join public.loomi_stream_events e on e.session_id = s.session_id
          where s.session_id = _session.session_id and s.epoch = _session.epoch and e.seq >= _session.seq
          order by e.seq limit p_limit - _removed
        ) r
      ) o where o.all_may_go order by o.seq desc limit 1;
      if found then
        delete from public.loomi_stream_events
        where session_id = _session.session_id and seq between _session.seq and _last.seq;
        get diagnostics _count = row_count;
        update public.loomi_sessions set pruned_seq = _last.seq, pruned_key = _last.key
        where session_id = _session.session_id;
        _removed := _removed + _count;
        -- This one may have more to lose: it comes again.
        if _removed >= p_limit then return json_build_object('removed', _removed, 'next', _looked); end if;
      end if;
    end if;
    _looked := _session.session_id;
  end loop;
  return json_build_object('removed', _removed, 'next', case when _seen < _at_once then null else _looked end);
end
$$;
comment on function public.loomi_prune is 'Deletes oldest rows that {"maxAgeMs", "maxEventsPerSession"} lets go, at most p_limit, beginning where the last call''s "next" says: {"removed", "next"}.';

create or replace function public.loomi_delete_sessions(p_choice json, p_limit integer default 5000) returns json
language plpgsql volatile set search_path = '' as
$$
declare
  _at_once constant integer := 100;
  _only text := p_choice ->> 'sessionId';
  _user text := p_choice ->> 'userId';
  _session_id text;
  _owner text;
  _gone bigint;
  _last record;
  _removed integer := 0;
  _count integer;
  _deleted json[] := '{}';
  _told text[] := '{}';
  _has_locked boolean := false;
  _more boolean := false;
begin
  -- One deletion or transfer at a time; no session has this name.
  perform public.loomi_lock('');
  for _session_id in
    select s.session_id from public.loomi_sessions s
    where s.session_id = _only or s.user_id = _user order by s.session_id limit _at_once + 1
  loop
    _more := _removed >= p_limit or cardinality(_told) >= _at_once;
    exit when _more;
    perform public.loomi_lock(_session_id);
    _has_locked := true;
    -- Asked again under the lock: it may be somebody else's by now.
    select s.user_id, coalesce(s.pruned_seq, 0) into _owner, _gone from public.loomi_sessions s
    where s.session_id = _session_id and (s.session_id = _only or s.user_id = _user);
    continue when not found;
    select o.seq, o.run_id || '/' || o.n || case when o.i = 0 then '' else '.' || o.i end as key into _last from (
      select e.* from public.loomi_stream_events e where e.session_id = _session_id and e.seq > _gone
      order by e.seq limit p_limit - _removed
    ) o order by o.seq desc limit 1;
    delete from public.loomi_stream_events where session_id = _session_id and seq > _gone and seq <= _last.seq;
    get diagnostics _count = row_count;
    _removed := _removed + _count;
    _more := exists (select from public.loomi_stream_events e where e.session_id = _session_id and e.seq > _last.seq);
    if _more then
      -- The rest may be given away before it is deleted: then these rows were pruned.
      update public.loomi_sessions set pruned_seq = _last.seq, pruned_key = _last.key where session_id = _session_id;
      exit;
    end if;
    delete from public.loomi_sessions where session_id = _session_id;
    perform public.loomi_forget(_session_id, null);
    _deleted := _deleted || json_build_object('sessionId', _session_id, 'userId', _owner);
    _told := _told || _session_id;
  end loop;
  if _has_locked then
    -- What has no log goes in a transaction of its own: this one holds locks that come later in the order.
    _more := true;
  elsif not _more then
    if _only is not null then perform public.loomi_lock(_only); end if;
    perform public.loomi_forget(_only, _user);
  end if;
  perform public.loomi_wake(_told);
  return json_build_object('sessions', to_json(_deleted), 'more', _more);
end
$$;
comment on function public.loomi_delete_sessions is 'Deletes all that is known of sessions: {"sessionId"} or {"userId"}. At most p_limit rows at once: {"sessions", "more"}, to be called again while there is more.';

create or replace function public.loomi_forget(p_session_id text, p_user_id text) returns void
language plpgsql volatile set search_path = '' as
$$
begin
  -- Only what was locked is deleted: rows that came meanwhile would be locked out of order.
  with gone as (
    select r.session_id, r.run_id from public.loomi_runs r
    where (r.session_id = p_session_id or r.user_id = p_user_id)
      -- One that was begun anew meanwhile keeps its runs' places.
      and not exists (
        select from public.loomi_sessions s where s.session_id = r.session_id and s.user_id = coalesce(p_user_id, s.user_id)
      )
    order by r.session_id, r.run_id for update
  )
  delete from public.loomi_runs r using gone g where r.session_id = g.session_id and r.run_id = g.run_id;
  with gone as (
    select h.session_id, h.user_id from public.loomi_heartbeats h
    where h.session_id = p_session_id or h.user_id = p_user_id
    order by h.session_id, h.user_id for update
  )
  delete from public.loomi_heartbeats h using gone g where h.session_id = g.session_id and h.user_id = g.user_id;
  delete from public.loomi_former_owners where user_id = p_user_id;
end
$$;
comment on function public.loomi_forget is 'Deletes the runs and the presence of a session, or all else that is known of a user.';

create or replace function public.loomi_cleanup(
  p_max_age interval,
  p_max_events bigint default null,
  p_limit integer default 5000
) returns bigint
language plpgsql volatile set search_path = '' as
$$
declare
  _answer json := '{}';
  _removed bigint := 0;
  -- Each session that loses rows is locked to the end, and the server's table of locks is not large.
  _limit constant integer := least(p_limit, 5000);
begin
  loop
    _answer := public.loomi_prune(
      json_build_object('maxAgeMs', extract(epoch from p_max_age) * 1000, 'maxEventsPerSession', p_max_events),
      _limit - _removed::integer, _answer ->> 'next');
    _removed := _removed + (_answer ->> 'removed')::bigint;
    exit when _answer ->> 'next' is null or _removed >= _limit;
  end loop;
  return _removed;
end
$$;
comment on function public.loomi_cleanup is 'Deletes old rows of all sessions, at most p_limit and 5000; how many. For a job that runs from time to time.';

create or replace function public.loomi_schedule_cleanup(
  p_max_age interval,
  p_max_events bigint default null,
  p_schedule text default '* * * * *'
) returns bigint
language plpgsql volatile set search_path = '' as
$$
declare
  _job bigint;
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    raise exception 'pg_cron is not there' using hint =
      'Run "create extension pg_cron", or set `retention` in createLoomi: then the server deletes old rows by itself.';
  end if;
  execute 'select cron.schedule($1, $2, $3)' into _job using 'loomi_cleanup', p_schedule,
    format('select public.loomi_cleanup(%L, %L)', p_max_age, p_max_events);
  return _job;
end
$$;
comment on function public.loomi_schedule_cleanup is 'Has pg_cron call loomi_cleanup, every minute unless told otherwise; the job''s id. Called again, it replaces the job.';

alter table public.loomi_migrations enable row level security;
alter table public.loomi_sessions enable row level security;
alter table public.loomi_former_owners enable row level security;
alter table public.loomi_stream_events enable row level security;
alter table public.loomi_runs enable row level security;
alter table public.loomi_heartbeats enable row level security;

-- Nobody has anything by default; the server's role has the functions and what they need, a signed-in user may read what is
-- theirs. A plain Postgres has no such roles: there the owner uses the tables, and row-level security does not bind owners.
do $$
declare
  _tables constant text[] := array['loomi_migrations', 'loomi_sessions', 'loomi_former_owners', 'loomi_stream_events',
    'loomi_runs', 'loomi_heartbeats'];
  _nobody text := 'public';
  _table text;
  _function regprocedure;
  _owner regrole;
  _has_service boolean := to_regrole('service_role') is not null;
begin
  if to_regrole('anon') is not null then _nobody := _nobody || ', anon'; end if;
  if to_regrole('authenticated') is not null then _nobody := _nobody || ', authenticated'; end if;
  foreach _table in array _tables loop
    execute format('revoke all on public.%I from %s', _table, _nobody);
    continue when not _has_service;
    select relowner into _owner from pg_class where oid = to_regclass('public.' || _table);
    -- Who made the tables keeps everything.
    if _owner <> to_regrole('service_role') then
      execute format('revoke all on public.%I from service_role', _table);
    end if;
    execute format('grant select%s on public.%I to service_role',
      case when _table <> 'loomi_migrations' then ', insert, update, delete' end, _table);
    execute format('alter table public.%I force row level security', _table);
    execute format('drop policy if exists loomi_server on public.%I', _table);
    -- Forced, it binds the owner too, who on a plain Postgres may be the one that the servers connect as.
    execute format('create policy loomi_server on public.%I to service_role, %s using (true) with check (true)',
      _table, _owner);
  end loop;
  for _function, _owner in
    select p.oid, p.proowner from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname like 'loomi\_%'
  loop
    execute format('revoke all on function %s from %s', _function, _nobody);
    continue when not _has_service or _owner = to_regrole('service_role');
    execute format('revoke all on function %s from service_role', _function);
    if _function::text not like '%loomi\_schedule\_cleanup%' then
      execute format('grant execute on function %s to service_role', _function);
    end if;
  end loop;
  if to_regrole('authenticated') is not null and to_regprocedure('auth.uid()') is not null then
    grant select on public.loomi_sessions, public.loomi_stream_events, public.loomi_runs, public.loomi_heartbeats
      to authenticated;
    foreach _table in array array['loomi_sessions', 'loomi_runs', 'loomi_heartbeats'] loop
      execute format('drop policy if exists loomi_own on public.%I', _table);
      execute format('create policy loomi_own on public.%I for select to authenticated '
        'using (user_id = (select auth.uid())::text)', _table);
    end loop;
    drop policy if exists loomi_own on public.loomi_stream_events;
    create policy loomi_own on public.loomi_stream_events for select to authenticated using (session_id in (
      select s.session_id from public.loomi_sessions s where s.user_id = (select auth.uid())::text
    ));
  end if;
end
$$;

-- Run on after an error, as psql does unless it is told otherwise, this must not be recorded as done.
do $$
begin
  if to_regproc('public.loomi_read') is null or to_regproc('public.loomi_schedule_cleanup') is null or exists (
    select from unnest(array['seq', 'run_id', 'n', 'i', 'bytes', 'stored_at']) as name where not exists (
      select from pg_attribute where attrelid = to_regclass('public.loomi_stream_events') and attname = name
    )
  ) then
    raise exception 'the migration broke off: see the errors above' using hint =
      'A table loomi_stream_events of another make has to be renamed first; then run the file again.';
  end if;
  insert into public.loomi_migrations (version, name) values ('20261124190000', 'loomi_recovery') on conflict do nothing;
end
$$;
