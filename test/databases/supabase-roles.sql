-- What a new Supabase project has before its first migration, as far as roles, grants and the helpers of policies go.
-- Nothing is granted by itself: since October 2026 neither the service key nor anybody else may use a new table until a
-- migration says so. Run by a superuser in the database that the tests use; running it again changes nothing.

do $$
declare
  role record;
begin
  for role in select * from (values
    ('anon', 'nologin noinherit'),
    ('authenticated', 'nologin noinherit'),
    ('service_role', 'nologin noinherit bypassrls'),
    ('authenticator', 'login noinherit'),
    -- The role that runs migrations and owns what they make; called postgres there, where it is no superuser either.
    ('project_owner', 'login createrole createdb bypassrls')
  ) as roles (name, options) loop
    -- Roles belong to the whole cluster, and several tests may set up their databases at once.
    begin
      execute format('create role %I %s', role.name, role.options);
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
  execute format('grant create on database %I to project_owner', current_database());
  grant anon, authenticated, service_role to authenticator;
  grant anon, authenticated, service_role to project_owner;
exception when others then
  -- Two grants of the same at the same moment: one of them was enough.
  if sqlerrm not like '%concurrently updated%' then raise; end if;
end
$$;

create schema if not exists extensions;
create schema if not exists auth;
grant usage on schema public, extensions, auth to anon, authenticated, service_role, project_owner;
grant create on schema public to project_owner;

create or replace function auth.jwt() returns jsonb language sql stable as
$$ select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;

create or replace function auth.uid() returns uuid language sql stable as
$$ select nullif(auth.jwt() ->> 'sub', '')::uuid $$;

create or replace function auth.role() returns text language sql stable as
$$ select auth.jwt() ->> 'role' $$;
