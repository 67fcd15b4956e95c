"""Every write that the statuses room offers, on one screen; each lives in the file that it comes from."""

from parley.social.statuses.deleting import delete_status as delete_status
from parley.social.statuses.editing import edit_status as edit_status
from parley.social.statuses.marks import bookmark_status as bookmark_status
from parley.social.statuses.marks import favourite_status as favourite_status
from parley.social.statuses.marks import mute_conversation as mute_conversation
from parley.social.statuses.marks import pin_status as pin_status
from parley.social.statuses.marks import reblog_status as reblog_status
from parley.social.statuses.marks import unbookmark_status as unbookmark_status
from parley.social.statuses.marks import unfavourite_status as unfavourite_status
from parley.social.statuses.marks import unmute_conversation as unmute_conversation
from parley.social.statuses.marks import unpin_status as unpin_status
from parley.social.statuses.marks import unreblog_status as unreblog_status
from parley.social.statuses.polls import vote_in_poll as vote_in_poll
from parley.social.statuses.posting import post_status as post_status
from parley.social.statuses.publishing import drop_held_revision as drop_held_revision
from parley.social.statuses.publishing import publish_held_status as publish_held_status
from parley.social.statuses.publishing import refresh_status as refresh_status
from parley.social.statuses.quotes import revoke_quote as revoke_quote
from parley.social.statuses.quotes import set_quote_policy as set_quote_policy
from parley.social.statuses.scheduling import cancel_scheduled as cancel_scheduled
from parley.social.statuses.scheduling import schedule_status as schedule_status
from parley.social.statuses.scheduling import update_scheduled as update_scheduled
from parley.social.statuses.views import NewPoll as NewPoll
from parley.social.statuses.views import NewStatus as NewStatus
from parley.social.statuses.views import StatusChange as StatusChange
